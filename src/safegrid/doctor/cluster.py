"""A SLURM cluster as its controller describes it, and what becomes of jobs there.

SLURM itself says whether a job can ever start (`sbatch --test-only`). It says nothing
of a time beyond the partition's limit and of a partition that is down: both wait for
ever, and Snakemake with them. Nor of jobs that are preempted.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from safegrid.core.errors import SafegridError
from safegrid.doctor import Finding, fail, ok
from safegrid.doctor.plan import Demand, Resource, submit_line
from safegrid.doctor.profile import Profile
from safegrid.runtime.slurm import ask

NEEDED = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
PAIR = re.compile(r"(\S+?)=(.*?)(?=\s+\S+?=|$)")
SETTING = re.compile(r"^(\S+)\s+= (.*)$", re.MULTILINE)
TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$")
# SLURM's own verdict; nothing is submitted.
DRY = ("--test-only", "--wrap", "true")
SHOWN = ("nodes", "gres", "gpu", "gpu_model", "cpus_per_task", "mem_mb", "runtime")


@dataclass(frozen=True)
class Partition:
    """A partition: `minutes` is its time limit, infinite without one."""

    name: str
    default: bool
    state: str
    minutes: float
    tier: int
    preempt_mode: str


@dataclass(frozen=True)
class Site:
    """All that a check asks of a cluster; `nodes` by partition."""

    settings: Mapping[str, str]
    partitions: Mapping[str, Partition]
    nodes: Mapping[str, set[str]]

    def setting(self, name: str) -> str:
        """Return a setting of slurm.conf in lower case; empty where it is not told."""
        found = self.settings.get(name, "").strip().lower()
        return "" if found == "(null)" else found

    def partition_of(self, asked: Mapping[str, Resource]) -> Partition:
        """Return the partition that resources ask for, or the site's default.

        Raises:
            SafegridError: there is none.
        """
        there = f"this site has {', '.join(sorted(self.partitions))}"
        name = asked.get("slurm_partition")
        if name:
            if str(name) in self.partitions:
                return self.partitions[str(name)]
            raise SafegridError(
                f"there is no partition {name!r}; {there}: set slurm_partition to one"
            )
        for partition in self.partitions.values():
            if partition.default:
                return partition
        raise SafegridError(
            f"no slurm_partition is asked for and there is no default one; {there}: set"
            " slurm_partition to one"
        )


def read_site() -> Site:
    """Ask the controller; a SafegridError tells that it does not answer."""
    return parse(
        ask("scontrol", "show", "config"),
        ask("scontrol", "--oneliner", "--all", "show", "partition"),
        ask("sinfo", "--noheader", "--Node", "--all", "--format=%R %N"),
    )


def parse(settings: str, partitions: str, nodes: str) -> Site:
    """Make a site of what SLURM printed of it."""
    found = [_partition(line) for line in partitions.splitlines() if "=" in line]
    members: dict[str, set[str]] = {}
    for partition, node in map(str.split, nodes.splitlines()):
        members.setdefault(partition, set()).add(node)
    by_name = {partition.name: partition for partition in found}
    return Site(dict(SETTING.findall(settings)), by_name, members)


def parse_minutes(text: str) -> float:
    """Read a time limit of SLURM, such as `2-00:00:00`, `01:00:00` or `UNLIMITED`."""
    found = TIME.match(text)
    if found is None:
        return math.inf
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (days * 24 + hours) * 60 + minutes + seconds / 60


def _partition(line: str) -> Partition:
    found = dict(PAIR.findall(line))
    return Partition(
        name=found["PartitionName"],
        default=found.get("Default") == "YES",
        state=found.get("State", "UNKNOWN"),
        minutes=parse_minutes(found.get("MaxTime", "")),
        tier=int(found.get("PriorityTier", 1)),
        preempt_mode=found.get("PreemptMode", "OFF"),
    )


def check_demand(demand: Demand, site: Site, profile: Profile) -> Iterator[Finding]:
    """Check one kind of submission: all that would keep it pending for ever."""
    try:
        partition = site.partition_of(demand.resources)
        line = submit_line(demand.resources, partition.name, profile)
    except SafegridError as error:
        yield fail(demand.name, str(error))
        return
    name, asked = partition.name, demand.resources
    words = ", ".join(f"{key} {asked[key]}" for key in SHOWN if key in asked)
    found = [*_waits_for_ever(demand, partition)]
    try:
        ask(*line, *DRY)
    except SafegridError as error:
        have = ask("sinfo", "-h", "-p", name, "-o", "%D x %c CPUs, %m MB, %G, %T")
        nodes = "; ".join(have.splitlines())
        found.append(f"asks partition {name} for {words}: {error}; it has {nodes}")
    yield from (fail(demand.name, text) for text in found)
    if not found:
        added = ", its jobs' time added up" if demand.is_group else ""
        yield ok(demand.name, f"partition {name} takes {words}{added}")


def _waits_for_ever(demand: Demand, partition: Partition) -> Iterator[str]:
    """Say what SLURM accepts and never starts."""
    if partition.state != "UP":
        yield (
            f"partition {partition.name} is {partition.state}: its jobs stay pending;"
            " take another one, or ask the administrator"
        )
    if demand.minutes <= partition.minutes:
        return
    text = (
        f"asks for {demand.minutes} min, and partition {partition.name} allows"
        f" {partition.minutes:.0f}: the job would stay pending for ever; "
    )
    if demand.is_group:
        text += (
            f"its {sum(demand.rules.values())} jobs ask for up to"
            f" {demand.member_minutes} min each and are added up, `cores` of them at a"
            " time: lower their `runtime`, raise `cores`, or take another partition"
        )
    else:
        text += "lower its `runtime`, or take a partition that allows more"
    yield text


def check_preemption(
    partitions: Iterable[str], profile: Profile, site: Site
) -> Iterator[Finding]:
    """Check what becomes of a preempted job: requeued, or waited for without end."""
    if site.setting("PreemptType") in ("", "preempt/none"):
        yield ok("preemption", "this site preempts no jobs")
        return
    settings = profile.settings()
    requeued = settings.requeue or (
        site.setting("JobRequeue") == "1" and not settings.no_requeue
    )
    for name in sorted(partitions):
        mode = site.partitions[name].preempt_mode.upper()
        if not _may_be_preempted(name, site):
            yield ok("preemption", f"jobs of partition {name} are never preempted")
        elif "CANCEL" in mode:
            yield fail(
                "preemption",
                f"partition {name} cancels jobs that it preempts (PreemptMode={mode}):"
                " to Snakemake they are PREEMPTED, and waited for FOR EVER; take a"
                " partition with PreemptMode=REQUEUE or one that is not preempted",
            )
        elif "REQUEUE" in mode and not requeued:
            yield fail(
                "preemption",
                f"partition {name} puts preempted jobs back into the queue, but jobs of"
                " this profile may not be put back, so SLURM cancels them and Snakemake"
                f" waits FOR EVER: set slurm-requeue: true in {profile.file}",
            )
        else:
            told = (
                "go back into the queue" if "REQUEUE" in mode else f"PreemptMode={mode}"
            )
            yield ok("preemption", f"preempted jobs of partition {name}: {told}")


def _may_be_preempted(name: str, site: Site) -> bool:
    """Whether a partition that comes first shares nodes; by qos, it always may be."""
    if site.setting("PreemptType") != "preempt/partition_prio":
        return True
    tier, nodes = site.partitions[name].tier, site.nodes.get(name, set())
    return any(
        other.tier > tier and nodes & site.nodes.get(other.name, set())
        for other in site.partitions.values()
    )

"""One submission's resources against a site's limits.

SLURM says nothing of most of this. It keeps such a job pending for ever, and Snakemake
waits with it. So each limit is looked at by itself, to name the one that it is; what is
left, such as accounts and qualities of service, SLURM is asked for (`sbatch
--test-only`).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from safegrid.core.errors import SafegridError
from safegrid.doctor.findings import Finding, fail, ok, warn
from safegrid.doctor.plan import Demand, Resource
from safegrid.doctor.profile import Profile
from safegrid.doctor.site import Gres, Node, Partition, Site, parse_gres
from safegrid.doctor.submit import submit_line
from safegrid.runtime.slurm import ask

# SLURM's own verdict; nothing is submitted.
DRY = ("--test-only", "--wrap", "true")
SIMPLE_FEATURES = re.compile(r"[\w.&-]+")


@dataclass(frozen=True)
class Request:
    """A demand in SLURM's terms; of each of `nodes` nodes, memory in MB."""

    partition: str
    minutes: int | None
    cpus: int
    memory: int
    gres: tuple[Gres, ...]
    nodes: int
    features: frozenset[str]

    def fits(self, node: Node) -> bool:
        """Whether a node, all of it free, can hold it."""
        return not self.lacks(node)

    def lacks(self, node: Node) -> list[str]:
        """Name what a node has too little of."""
        lacking = [str(gres) for gres in self.gres if not node.has(gres)]
        if self.cpus > node.cpus:
            lacking.append(_cpus(self.cpus))
        if self.memory > node.memory:
            lacking.append(f"{self.memory} MB of memory")
        missing = sorted(self.features - node.features)
        return lacking + [f"the feature {name}" for name in missing]

    def __str__(self) -> str:
        asked = [*map(str, self.gres), _cpus(self.cpus), f"{self.memory} MB"]
        asked += [f"{self.minutes} min"] if self.minutes else []
        on = f" on each of {self.nodes} nodes" if self.nodes > 1 else ""
        return ", ".join(asked) + on


def request(demand: Demand, site: Site) -> Request:
    """Say a demand in SLURM's terms, as the plugin does.

    Raises:
        SafegridError: no partition is asked for and the site has no default.
    """
    asked = demand.resources
    nodes = _int(asked, "nodes", 1)
    cpus = max(1, _int(asked, "cpus_per_task", _int(asked, "_cores", 1)))
    per_cpu = _int(asked, "mem_mb_per_cpu", 0)
    features = str(asked.get("constraint", ""))
    plain = SIMPLE_FEATURES.fullmatch(features)
    return Request(
        partition=_partition(asked, site),
        minutes=demand.minutes,
        cpus=cpus,
        memory=per_cpu * cpus if per_cpu else _int(asked, "mem_mb", 0),
        gres=_gres(asked, nodes),
        nodes=nodes,
        # Alternatives are left to SLURM's own verdict.
        features=frozenset(features.split("&") if plain else ()),
    )


def look_at(demand: Demand, site: Site, profile: Profile) -> Iterator[Finding]:
    """Check one kind of submission against the site."""
    try:
        asked = request(demand, site)
        found = [*problems(demand, asked, site)]
        if not found:
            ask(*submit_line(demand.resources, asked.partition, profile), *DRY)
    except SafegridError as error:
        found = [fail(demand.name, str(error))]
    if found:
        yield from found
        return
    added = ", its jobs' time added up" if demand.is_group else ""
    yield ok(demand.name, f"partition {asked.partition} has {asked}{added}")
    yield from _away(demand, asked, site)


def problems(demand: Demand, asked: Request, site: Site) -> Iterator[Finding]:
    """Name every limit of the site that a request is over."""
    partition = site.partitions.get(asked.partition)
    if partition is None:
        yield fail(
            demand.name,
            f"there is no partition {asked.partition!r}; this site has"
            f" {', '.join(sorted(site.partitions))}: set slurm_partition to one",
        )
        return
    if partition.state != "UP":
        yield fail(
            demand.name,
            f"partition {partition.name} is {partition.state}: its jobs stay pending;"
            " take another one, or ask the administrator",
        )
    if asked.minutes is not None and asked.minutes > partition.minutes:
        yield fail(demand.name, _too_long(demand, asked.minutes, partition))
    yield from _too_large(demand, asked, site.nodes_of(partition.name))


def _too_long(demand: Demand, minutes: int, partition: Partition) -> str:
    text = (
        f"asks for {minutes} min, and partition {partition.name} allows"
        f" {partition.minutes:.0f}: the job would stay pending for ever; "
    )
    if demand.is_group:
        return text + (
            f"its {sum(demand.rules.values())} jobs ask for up to"
            f" {demand.member_minutes} min each and are added up, `cores` of them at a"
            " time: lower their `runtime`, raise `cores`, or take another partition"
        )
    return text + "lower its `runtime`, or take a partition that allows more"


def _too_large(demand: Demand, asked: Request, nodes: list[Node]) -> Iterator[Finding]:
    enough = [node for node in nodes if asked.fits(node)]
    if len(enough) >= asked.nodes:
        return
    waits = "the job would stay pending for ever"
    if enough:
        yield fail(
            demand.name,
            f"asks for {asked.nodes} nodes with {asked}, and {len(enough)} of partition"
            f" {asked.partition} have that: {waits}; lower `nodes`",
        )
        return
    if not nodes:
        yield fail(demand.name, f"partition {asked.partition} has no nodes: {waits}")
        return
    lacking = [set(asked.lacks(node)) for node in nodes]
    nowhere = set.intersection(*lacking)
    for what in sorted(nowhere):
        yield fail(
            demand.name,
            f"no node of partition {asked.partition} has {what}: {waits};"
            f" {_largest(nodes)}",
        )
    if not nowhere:
        yield fail(
            demand.name,
            f"no node of partition {asked.partition} has all at once: {asked}: {waits};"
            f" {_largest(nodes)}",
        )


def _largest(nodes: list[Node]) -> str:
    gres = sorted({str(gres) for node in nodes for gres in node.gres})
    return (
        f"its nodes have up to {max(node.cpus for node in nodes)} CPUs,"
        f" {max(node.memory for node in nodes)} MB, and {', '.join(gres) or 'no GPU'}"
    )


def _away(demand: Demand, asked: Request, site: Site) -> Iterator[Finding]:
    fitting = [n for n in site.nodes_of(asked.partition) if asked.fits(n)]
    here = [node for node in fitting if not node.is_away]
    if len(here) < asked.nodes:
        states = ", ".join(f"{node.name} {node.state}" for node in fitting[:5])
        yield warn(
            demand.name,
            f"waits until nodes are back: of those that fit, too few are up ({states})",
        )


def _cpus(count: int) -> str:
    return "1 CPU" if count == 1 else f"{count} CPUs"


def _partition(asked: Mapping[str, Resource], site: Site) -> str:
    if asked.get("slurm_partition"):
        return str(asked["slurm_partition"])
    default = [p.name for p in site.partitions.values() if p.default]
    if not default:
        raise SafegridError(
            "no slurm_partition is asked for and this site has no default one; it has"
            f" {', '.join(sorted(site.partitions))}: set slurm_partition to one"
        )
    return default[0]


def _gres(asked: Mapping[str, Resource], nodes: int) -> tuple[Gres, ...]:
    found = parse_gres(str(asked.get("gres", "")))
    model, count = asked.get("gpu_model"), _int(asked, "gpu", 0)
    if model or count:
        each = math.ceil((count or 1) / nodes)
        found += (Gres("gpu", str(model) if model else None, each),)
    return found


def _int(asked: Mapping[str, Resource], name: str, default: int) -> int:
    value = asked.get(name, default)
    return value if isinstance(value, int) else default

"""Submissions of a study under a profile, from a dry run of Snakemake.

Snakemake plans, so functions in rules, defaults and overrides are what they will be.
Jobs of a group are one submission; what it asks for is added up by Snakemake's own
function (of jobs side by side the sum, of layers behind each other the time).
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from types import SimpleNamespace

from safegrid.core.errors import ConfigError
from safegrid.doctor.profile import Profile
from safegrid.runtime.runs import SNAKEMAKE

Resource = int | str
RULE = re.compile(r"^( *)(?:local)?rule (\w+):$")
GROUP = re.compile(r"Group job (\S+) \(jobs in lexicogr")
FIELD = re.compile(r"^ +(input|output|threads|resources): (.*)$")
PAIR = re.compile(r", (?=\w+=)")
ERROR = re.compile(r"^\w*(?:Error|Exception)\b.*:", re.MULTILINE)
LINES = 8
# Written beside `mem_mb` and `disk_mb` in words.
IN_WORDS = {"mem", "disk", "mem_mib", "disk_mib", "tmpdir"}
TO_BE_DETERMINED = "<TBD>"


@dataclass
class Job:
    """A planned job, as the dry run shows it."""

    rule: str
    group: str | None
    fields: dict[str, str] = field(default_factory=dict)

    def names(self, part: str) -> list[str]:
        """Return its inputs or outputs."""
        return self.fields[part].split(", ") if part in self.fields else []

    @property
    def resources(self) -> dict[str, Resource]:
        """What it asks for; `_cores` are its threads."""
        pairs = (p.split("=", 1) for p in PAIR.split(self.fields.get("resources", "")))
        found = {
            pair[0]: int(pair[1]) if pair[1].isdigit() else pair[1]
            for pair in pairs
            if len(pair) == 2 and pair[0] not in IN_WORDS
        }
        known = {k: v for k, v in found.items() if v != TO_BE_DETERMINED}
        return {**known, "_cores": int(self.fields.get("threads", 1))}


@dataclass(frozen=True)
class Demand:
    """What one kind of submission asks for.

    Attributes:
        rules: the rules of its jobs, with how many jobs of each.
        resources: what all of it asks for, by Snakemake's names.
        submissions: how many of this kind the study makes.
        member_minutes: the longest time that one of its jobs asks for.
    """

    rules: Mapping[str, int]
    resources: Mapping[str, Resource]
    submissions: int
    member_minutes: int

    @property
    def name(self) -> str:
        """Its rules, such as `train` or `1 cell_manifest_answers + 6 generate`."""
        if sum(self.rules.values()) == 1:
            return next(iter(self.rules))
        return " + ".join(f"{count} {rule}" for rule, count in self.rules.items())

    @property
    def is_group(self) -> bool:
        """Whether it is several jobs in one."""
        return sum(self.rules.values()) > 1

    @property
    def minutes(self) -> int | None:
        """The time that it asks for; None where nothing is asked."""
        runtime = self.resources.get("runtime")
        return runtime if isinstance(runtime, int) else None


def planned(profile: Profile, study: str, sources_dir: str | None) -> list[Demand]:
    """Plan a whole study, finished or not, and return what it would submit.

    Raises:
        ConfigError: Snakemake cannot plan it, or cannot make one job of a group.
    """
    command = [*SNAKEMAKE, "--dry-run", "--forceall", "--nolock"]
    command += ["--profile", profile.name, "--config", f"study={study}"]
    if sources_dir is not None:
        command.append(f"sources_dir={sources_dir}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = error_of(done.stderr + done.stdout)
        raise ConfigError(f"Snakemake cannot plan study {study!r}: {told}")
    jobs = parse(done.stdout + done.stderr)
    sent = [j for j in jobs if j.group is not None or j.rule in profile.submitted]
    return demands(sent, profile.args.cores)


def error_of(text: str) -> str:
    """Return what Snakemake says went wrong, without what it says before, and where."""
    found = list(ERROR.finditer(text))
    lines = (text[found[-1].start() :] if found else text).strip().splitlines()
    told = [line.strip() for line in lines if not line.lstrip().startswith("File ")]
    return " ".join(told[:LINES])


def parse(text: str) -> list[Job]:
    """Read the jobs of a dry run; those of a group are indented below its name."""
    jobs: list[Job] = []
    group = None
    for line in text.splitlines():
        if header := GROUP.search(line):
            group = header[1]
        elif rule := RULE.match(line):
            jobs.append(Job(rule[2], group if rule[1] else None))
        elif jobs and (found := FIELD.match(line)):
            jobs[-1].fields[found[1]] = found[2]
    return jobs


def demands(jobs: Iterable[Job], cores: int | None) -> list[Demand]:
    """Gather what jobs ask for, a group as one; equal demands are one.

    Raises:
        ConfigError: jobs of one group ask for what cannot be one.
    """
    submissions: dict[object, list[Job]] = {}
    for job in jobs:
        submissions.setdefault(job.group or id(job), []).append(job)
    alike: dict[object, list[list[Job]]] = {}
    for members in submissions.values():
        rules = sorted(Counter(job.rule for job in members).items())
        asked = sorted(str(sorted(job.resources.items())) for job in members)
        alike.setdefault((*rules, *asked), []).append(members)
    return [_demand(same, cores) for same in alike.values()]


def _demand(same: list[list[Job]], cores: int | None) -> Demand:
    members = same[0]
    runtimes = (job.resources.get("runtime", 0) for job in members)
    return Demand(
        rules=Counter(job.rule for job in members),
        resources=members[0].resources if len(members) == 1 else _sum(members, cores),
        submissions=len(same),
        member_minutes=max(r for r in runtimes if isinstance(r, int)),
    )


def _sum(members: list[Job], cores: int | None) -> dict[str, Resource]:
    """Let Snakemake add up what the jobs of a group ask for."""
    from snakemake.exceptions import WorkflowError
    from snakemake.resources import GroupResources, Resource, Resources

    layers = [
        [SimpleNamespace(resources=job.resources, pipe_group=None) for job in layer]
        for layer in _layers(members)
    ]
    limits = Resources({"_cores": Resource("_cores", cores)})
    try:
        total = GroupResources.basic_layered(layers, limits, run_local=False)
    except WorkflowError as error:
        names = ", ".join(sorted({job.rule for job in members}))
        raise ConfigError(f"group of {names}: {error}") from error
    return {name: value for name, value in total.items() if name not in IN_WORDS}


def _layers(members: list[Job]) -> Iterable[list[Job]]:
    """Give the jobs of a group in layers, each behind what it reads."""
    maker = {name: i for i, job in enumerate(members) for name in job.names("output")}
    graph = {
        i: {maker[name] for name in job.names("input") if name in maker}
        for i, job in enumerate(members)
    }
    order = TopologicalSorter(graph)
    order.prepare()
    while order.is_active():
        ready = order.get_ready()
        yield [members[i] for i in sorted(ready)]
        order.done(*ready)

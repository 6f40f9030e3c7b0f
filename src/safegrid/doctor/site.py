"""A SLURM site as its controller describes it: partitions, nodes, settings.

Read from `scontrol`, which every SLURM has; its JSON needs a plugin that many lack.
"""

import math
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from safegrid.runtime.slurm import ask

NEEDED = ("sbatch", "squeue", "scancel", "scontrol", "sinfo")
PAIR = re.compile(r"(\S+?)=(.*?)(?=\s+\S+?=|$)")
SETTING = re.compile(r"^(\S+)\s+= (.*)$", re.MULTILINE)
GRES = re.compile(r"(\w+)(?::([A-Za-z_][\w.-]*))?(?::(\d+))?(?:\(.*\))?$")
# A comma within parentheses belongs to the sockets that a GPU hangs on.
COMMA = re.compile(r",(?![^(]*\))")
TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$")
AWAY = {"DOWN", "DRAIN", "FAIL", "FAILING", "MAINT", "NOT_RESPONDING", "UNKNOWN"}


@dataclass(frozen=True, order=True)
class Gres:
    """Generic resources: `kind` is gpu for GPUs; without a model any will do."""

    kind: str
    model: str | None
    count: int

    def __str__(self) -> str:
        parts = (self.kind, self.model, self.count)
        return ":".join(str(part) for part in parts if part is not None)


@dataclass(frozen=True)
class Node:
    """A node: memory in MB as SLURM counts it."""

    name: str
    partitions: frozenset[str]
    cpus: int
    memory: int
    gres: tuple[Gres, ...]
    features: frozenset[str]
    state: str

    @property
    def is_away(self) -> bool:
        """Whether no job can start there as it is now."""
        # A node that was powered down to save power is woken by a job.
        return "*" in self.state or not AWAY.isdisjoint(re.findall(r"\w+", self.state))

    def has(self, wanted: Gres) -> bool:
        """Whether it has so many of a kind, and of the model where one is named."""
        return wanted.count <= sum(
            gres.count
            for gres in self.gres
            if gres.kind == wanted.kind and wanted.model in (None, gres.model)
        )


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
    """All that a check asks of a cluster."""

    settings: Mapping[str, str]
    partitions: Mapping[str, Partition]
    nodes: tuple[Node, ...]

    def nodes_of(self, partition: str) -> list[Node]:
        """Return the nodes of a partition."""
        return [node for node in self.nodes if partition in node.partitions]

    def setting(self, name: str) -> str:
        """Return a setting of slurm.conf in lower case; empty where it is not told."""
        found = self.settings.get(name, "").strip().lower()
        return "" if found == "(null)" else found


def missing_commands() -> list[str]:
    """Return which of SLURM's commands are not here."""
    return [name for name in NEEDED if shutil.which(name) is None]


def read_site() -> Site:
    """Ask the controller.

    Raises:
        SafegridError: it does not answer.
    """
    settings = ask("scontrol", "show", "config")
    partitions = ask("scontrol", "--oneliner", "--all", "show", "partition")
    nodes = ask("scontrol", "--oneliner", "--all", "show", "node")
    return parse(settings, partitions, nodes)


def parse(settings: str, partitions: str, nodes: str) -> Site:
    """Make a site of what `scontrol show` printed of it."""
    return Site(
        settings=dict(SETTING.findall(settings)),
        partitions={p.name: p for p in map(_partition, _records(partitions))},
        nodes=tuple(map(_node, _records(nodes))),
    )


def parse_gres(text: str) -> tuple[Gres, ...]:
    """Read `gpu:h200:4(S:0-1),shard:8` or what a job asks for; none of `(null)`."""
    found = (GRES.match(part) for part in COMMA.split(text))
    return tuple(Gres(m[1], m[2], int(m[3] or 1)) for m in found if m)


def parse_minutes(text: str) -> float:
    """Read a time limit of SLURM, such as `2-00:00:00`, `01:00:00` or `UNLIMITED`."""
    found = TIME.match(text)
    if found is None:
        return math.inf
    days, *clock = (int(part or 0) for part in found.groups())
    hours, minutes, seconds = clock
    return days * 24 * 60 + hours * 60 + minutes + seconds / 60


def _records(text: str) -> Iterator[dict[str, str]]:
    return (dict(PAIR.findall(line)) for line in text.splitlines() if "=" in line)


def _partition(found: dict[str, str]) -> Partition:
    return Partition(
        name=found["PartitionName"],
        default=found.get("Default") == "YES",
        state=found.get("State", "UNKNOWN"),
        minutes=parse_minutes(found.get("MaxTime", "")),
        tier=int(found.get("PriorityTier", 1)),
        preempt_mode=found.get("PreemptMode", "OFF"),
    )


def _node(found: dict[str, str]) -> Node:
    kept = int(found.get("MemSpecLimit", 0))
    return Node(
        name=found["NodeName"],
        partitions=frozenset(found.get("Partitions", "").split(",")),
        cpus=int(found.get("CPUEfctv") or found["CPUTot"]),
        memory=int(found["RealMemory"]) - kept,
        gres=parse_gres(found.get("Gres", "")),
        features=frozenset(found.get("AvailableFeatures", "").split(",")),
        state=found.get("State", "UNKNOWN"),
    )

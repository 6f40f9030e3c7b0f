"""Speed of finished jobs, beside what a plan says of them.

Trainings tell it in their manifests, cells in their cell manifests.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safegrid.config.cost import GpuSpec
from safegrid.core.seals import check_folder, read_result
from safegrid.cost.flops import Work, mfu
from safegrid.cost.jobs import KINDS, Job
from safegrid.cost.registry import meant
from safegrid.runtime.usage import NO_MODEL
from safegrid.study import Study
from safegrid.study.cells import cell_manifests

HOUR = 3600


@dataclass(frozen=True)
class Speed:
    """What a finished job took; kind and name are those of its `Job`.

    Tokens are read and written ones, without padding. The seconds are those that its
    model was at work, or its whole job where only that is known; the device is called
    as torch calls it; the dtype is that of the matrix products.
    """

    kind: str
    name: str
    tokens: int
    seconds: float
    device: str
    dtype: str
    gpus: int = 1


@dataclass(frozen=True)
class Share:
    """The share of its limit that a kind of job is planned with, and who says so."""

    value: float
    source: str
    measured: bool = False

    def seconds(self, work: Work) -> float:
        """Return how long work takes; a measured share holds launching kernels too."""
        return work.limit / self.value if self.measured else work.seconds(self.value)

    def hours(self, job: Job) -> float:
        """Return the GPU-hours of a job; 0 where its work is not known."""
        return 0.0 if job.work is None else self.seconds(job.work) * job.gpus / HOUR


@dataclass(frozen=True)
class Compared:
    """Plan and reality of the finished jobs of a kind on a device.

    `planned` are seconds of the same jobs by the plan, with the tokens that they had,
    None where they ran on another device; `flops` what the tokens need; `mfu` is None
    where the device's peak is not known. `why` is the reason of a blank.
    """

    kind: str
    device: str
    jobs: int
    planned: float | None
    planned_tokens: float
    tokens: int
    flops: float
    seconds: float
    tokens_a_second: float
    mfu: float | None
    why: str = ""

    @property
    def ratio(self) -> float | None:
        """Reality over plan."""
        return None if self.planned is None else self.seconds / self.planned


def measured_speeds(study: Study, root: Path = Path()) -> tuple[list[Speed], list[str]]:
    """Read the speed of a study's finished jobs, and say which are left out."""
    found, left_out = training_speeds(study, root)
    blanks: Counter[str] = Counter()
    manifests = (
        root / m for model in study.models for m in cell_manifests(study, model)
    )
    for manifest in filter(Path.is_file, manifests):
        for file, entry in read_result(manifest)["files"].items():
            kind, facts = entry["stage"], entry["speed"]
            if facts["seconds"]:
                name = str(Path(*Path(file).parts[1:]).with_suffix(""))
                took = facts["seconds"], facts["device"], facts["dtype"]
                tokens = facts["tokens_in"] + facts["tokens_out"]
                found.append(Speed(kind, name, tokens, *took))
            elif facts["why"] != NO_MODEL:
                blanks[f"{kind}: {facts['why']}"] += 1
    return found, left_out + [f"{count} of {why}" for why, count in blanks.items()]


def training_speeds(study: Study, root: Path = Path()) -> tuple[list[Speed], list[str]]:
    """Read the speed of finished trainings from their manifests.

    A training that went on from a checkpoint is left out, and said: its seconds are
    those of its last part, its tokens all of them.
    """
    found, left_out = [], []
    for model in study.trained:
        facts = check_folder(root / study.model_dir(model), names=()) or {}
        run = facts.get("run")
        if run is None:
            continue
        if facts["resumed"]:
            left_out.append(f"{model.path} went on from a checkpoint")
            continue
        precision = facts["params"]["recipe"]["training"]["precision"]
        took = run["seconds"], run["device"], precision, run["processes"]
        found.append(Speed("train", model.path, facts["tokens"], *took))
    return found, left_out


def measured_shares(
    speeds: Iterable[Speed], jobs: Iterable[Job], gpus: Mapping[str, GpuSpec], gpu: str
) -> dict[str, tuple[float, int]]:
    """Return the share of its limit that each kind of job reached, and in how many.

    The plan is for `gpu`; jobs on other devices say nothing of it.
    """
    pairs = [*_with_work(speeds, jobs)]
    found = {}
    for kind in KINDS:
        own = [
            (speed.seconds, _done(speed, work).limit)
            for speed, work in pairs
            if speed.kind == kind and meant(gpus, speed.device) == gpu
        ]
        if own:
            seconds, limit = map(sum, zip(*own, strict=True))
            # Above 1 the data sheet or a count is wrong; a plan takes the limit then.
            found[kind] = min(1.0, limit / seconds), len(own)
    return found


def compare(
    speeds: Iterable[Speed],
    jobs: Iterable[Job],
    shares: Mapping[str, Share],
    gpus: Mapping[str, GpuSpec],
    gpu: str,
) -> list[Compared]:
    """Set plan and reality beside each other, for each kind and device.

    The plan is for `gpu`, and went by these shares before the jobs were done.
    """
    groups: dict[tuple[str, str], list[tuple[Speed, Work]]] = {}
    for speed, work in _with_work(speeds, jobs):
        groups.setdefault((speed.kind, speed.device), []).append((speed, work))
    return [
        _compared(group, shares[kind], gpus, gpu) for (kind, _), group in groups.items()
    ]


def _with_work(
    speeds: Iterable[Speed], jobs: Iterable[Job]
) -> Iterator[tuple[Speed, Work]]:
    """Give finished jobs, each with its planned work, where that is known."""
    planned = {(job.kind, job.name): job.work for job in jobs}
    for speed in speeds:
        work = planned.get((speed.kind, speed.name))
        if work is not None:
            yield speed, work


def _done(speed: Speed, work: Work) -> Work:
    """Return the planned work of a job with the tokens that it really had."""
    # Planned without a token, it was no work, whatever it took.
    return work.times(speed.tokens / work.tokens if work.tokens else 0.0)


def _compared(
    group: Sequence[tuple[Speed, Work]],
    share: Share,
    gpus: Mapping[str, GpuSpec],
    gpu: str,
) -> Compared:
    first, _ = group[0]
    held = sum(speed.seconds * speed.gpus for speed, _ in group)
    tokens = sum(speed.tokens for speed, _ in group)
    done = [(speed.dtype, _done(speed, work)) for speed, work in group]
    known = meant(gpus, first.device)
    planned = reached = None
    why = f"ran on {first.device}, planned for {gpu}"
    if known is None:
        why = f"the peak of {first.device} is not in config/gpus.yaml"
    else:
        reached = sum(
            mfu(work.model_flops, held, gpus[known], dtype) for dtype, work in done
        )
    if known == gpu:
        planned, why = sum(share.seconds(work) for _, work in done), ""
    return Compared(
        kind=first.kind,
        device=first.device,
        jobs=len(group),
        planned=planned,
        planned_tokens=sum(work.tokens for _, work in group),
        tokens=tokens,
        flops=sum(work.model_flops for _, work in done),
        seconds=sum(speed.seconds for speed, _ in group),
        tokens_a_second=tokens / held,
        mfu=reached,
        why=why,
    )

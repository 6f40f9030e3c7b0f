"""What finished jobs took: their speed, their MFU, and how near the plan was."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safegrid.config.cost import GpuSpec
from safegrid.cost.flops import Work, mfu
from safegrid.cost.jobs import KINDS, Job
from safegrid.cost.registry import meant
from safegrid.files import MANIFEST, read_json
from safegrid.study import Study

HOUR = 3600


@dataclass(frozen=True)
class Share:
    """The share of its limit that a kind of job is planned with, and who says so."""

    value: float
    source: str
    measured: bool = False

    def seconds(self, work: Work) -> float:
        """Return how long work takes.

        A measured share holds what launching kernels takes already.
        """
        return work.limit / self.value if self.measured else work.seconds(self.value)

    def hours(self, job: Job) -> float:
        """Return the GPU-hours of a job; 0 where its work is not known."""
        return 0.0 if job.work is None else self.seconds(job.work) * job.gpus / HOUR


@dataclass(frozen=True)
class Speed:
    """What a finished job took.

    Attributes:
        kind: of `jobs.KINDS`.
        name: as `jobs.Job.name`.
        tokens_in: that it read, padding not counted.
        tokens_out: that it wrote.
        seconds: that its model was at work, or its whole job where only that is known.
        device: as torch calls it, or words for a CPU.
        dtype: of the matrix products: `float32` or `bfloat16`.
        gpus: that it held.
    """

    kind: str
    name: str
    tokens_in: int
    tokens_out: int
    seconds: float
    device: str
    dtype: str
    gpus: int = 1


@dataclass(frozen=True)
class Compared:
    """Plan and reality of the finished jobs of a kind.

    Attributes:
        jobs: how many.
        planned: seconds of the same jobs by the plan, with the tokens that they had;
            None where they ran on another device, which `why` names.
        seconds: that they took.
        tokens_a_second: read and written together, by one GPU.
        mfu: None where the device's peak is not known.
        why: the reason of a blank.
    """

    kind: str
    jobs: int
    planned: float | None
    seconds: float
    tokens_a_second: float
    mfu: float | None
    why: str = ""

    @property
    def ratio(self) -> float | None:
        """Reality over plan."""
        return None if self.planned is None else self.seconds / self.planned


def training_speeds(study: Study, root: Path = Path()) -> tuple[list[Speed], list[str]]:
    """Read the speed of finished trainings from their manifests.

    A training that went on from a checkpoint is left out: its seconds are those of its
    last part, its tokens all of them.

    Returns:
        The speeds, and a sentence for each training that is left out.
    """
    found, left_out = [], []
    for model in study.trained:
        path = root / study.model_dir(model) / MANIFEST
        facts: dict[str, Any] = read_json(path) if path.is_file() else {}
        if "run" not in facts:
            continue
        if facts["resumed"]:
            left_out.append(f"{model.path} went on from a checkpoint")
            continue
        settings = facts["params"]["recipe"]["training"]
        found.append(
            Speed(
                "train",
                model.path,
                int(facts["tokens"]),
                0,
                float(facts["run"]["seconds"]),
                str(facts["run"]["device"]),
                str(settings["precision"]),
                int(facts["run"]["processes"]),
            )
        )
    return found, left_out


def done_work(job: Job, speed: Speed) -> Work | None:
    """Return the planned work of a job with the tokens that it really had."""
    if job.work is None:
        return None
    planned = job.work.tokens_in + job.work.tokens_out
    part = (speed.tokens_in + speed.tokens_out) / planned
    work = job.work
    return replace(
        work,
        tokens_in=speed.tokens_in,
        tokens_out=speed.tokens_out,
        model_flops=part * work.model_flops,
        flops=part * work.flops,
        limit=part * work.limit,
        floor=part * work.floor,
    )


def measured_shares(
    speeds: Iterable[Speed], jobs: Sequence[Job], gpus: Mapping[str, GpuSpec], gpu: str
) -> dict[str, tuple[float, int]]:
    """Return the share of its limit that each kind of job reached, and in how many.

    Args:
        speeds: of finished jobs.
        jobs: of the plan for `gpu`.
        gpus: the registry.
        gpu: jobs on other devices say nothing of this one.
    """
    found: dict[str, tuple[float, int]] = {}
    by_name = {(job.kind, job.name): job for job in jobs}
    for kind in KINDS:
        limit = seconds = 0.0
        count = 0
        for speed in speeds:
            job = by_name.get((kind, speed.name))
            if speed.kind != kind or job is None or meant(gpus, speed.device) != gpu:
                continue
            work = done_work(job, speed)
            if work is not None:
                limit, seconds = limit + work.limit, seconds + speed.seconds
                count += 1
        if count:
            # Above 1 the data sheet or a count is wrong; a plan takes the limit then.
            found[kind] = min(1.0, limit / seconds), count
    return found


def compare(
    speeds: Sequence[Speed],
    jobs: Sequence[Job],
    shares: Mapping[str, Share],
    gpus: Mapping[str, GpuSpec],
    gpu: str,
) -> list[Compared]:
    """Set plan and reality beside each other, for each kind and device.

    Args:
        speeds: of finished jobs.
        jobs: of the plan for `gpu`.
        shares: of the limit, by kind, that the plan went by before they were done.
        gpus: the registry.
        gpu: that the plan is for.
    """
    by_name = {(job.kind, job.name): job for job in jobs}
    groups: dict[tuple[str, str], list[tuple[Speed, Work]]] = {}
    for speed in speeds:
        job = by_name.get((speed.kind, speed.name))
        work = None if job is None else done_work(job, speed)
        if work is not None:
            groups.setdefault((speed.kind, speed.device), []).append((speed, work))
    return [
        _compared(kind, device, group, shares[kind], gpus, gpu)
        for (kind, device), group in groups.items()
    ]


def _compared(
    kind: str,
    device: str,
    group: Sequence[tuple[Speed, Work]],
    share: Share,
    gpus: Mapping[str, GpuSpec],
    gpu: str,
) -> Compared:
    seconds = sum(speed.seconds for speed, _ in group)
    held = sum(speed.seconds * speed.gpus for speed, _ in group)
    tokens = sum(speed.tokens_in + speed.tokens_out for speed, _ in group)
    known = meant(gpus, device)
    reached = None
    if known is not None:
        parts = (
            mfu(work.model_flops, held, gpus[known], speed.dtype)
            for speed, work in group
        )
        reached = sum(parts)
    planned = sum(share.seconds(work) for _, work in group) if known == gpu else None
    why = "" if planned is not None else f"ran on {device}, planned for {gpu}"
    return Compared(kind, len(group), planned, seconds, tokens / held, reached, why=why)

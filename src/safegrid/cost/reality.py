"""Comparison of the planned cost with that of finished jobs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from safegrid.config.cost import GpuSpec
from safegrid.cost.flops import Work, mfu
from safegrid.cost.jobs import KINDS, Job
from safegrid.cost.registry import meant
from safegrid.cost.speeds import Speed

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


# A finished job, and its planned work.
Pair = tuple[Speed, Work]


@dataclass(frozen=True)
class Compared:
    """Plan and reality of the finished jobs of a kind.

    Attributes:
        jobs: how many.
        planned: seconds of the same jobs by the plan, with the tokens that they had;
            None where they ran on another device, which `why` names.
        planned_tokens: that the plan gives these jobs.
        tokens: that they read and wrote.
        flops: that the tokens need.
        seconds: that they took.
        tokens_a_second: read and written together, by one GPU.
        mfu: None where the device's peak is not known.
        why: the reason of a blank.
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


def done_work(work: Work, speed: Speed) -> Work:
    """Return the planned work of a job with the tokens that it really had."""
    planned = work.tokens_in + work.tokens_out
    # Planned without a token, it was no work, whatever it took.
    part = (speed.tokens_in + speed.tokens_out) / planned if planned else 0.0
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
            if job.work is not None:
                limit += done_work(job.work, speed).limit
                seconds += speed.seconds
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
    groups: dict[tuple[str, str], list[Pair]] = {}
    for speed in speeds:
        job = by_name.get((speed.kind, speed.name))
        if job is not None and job.work is not None:
            pair = speed, job.work
            groups.setdefault((speed.kind, speed.device), []).append(pair)
    return [
        _compared(kind, device, group, shares[kind], gpus, gpu)
        for (kind, device), group in groups.items()
    ]


def _compared(
    kind: str,
    device: str,
    group: Sequence[Pair],
    share: Share,
    gpus: Mapping[str, GpuSpec],
    gpu: str,
) -> Compared:
    seconds = sum(speed.seconds for speed, _ in group)
    held = sum(speed.seconds * speed.gpus for speed, _ in group)
    tokens = sum(speed.tokens_in + speed.tokens_out for speed, _ in group)
    known = meant(gpus, device)
    works = [done_work(work, speed) for speed, work in group]
    reached = None
    if known is not None:
        parts = (
            mfu(work.model_flops, held, gpus[known], speed.dtype)
            for (speed, _), work in zip(group, works, strict=True)
        )
        reached = sum(parts)
    planned = sum(map(share.seconds, works)) if known == gpu else None
    return Compared(
        kind=kind,
        device=device,
        jobs=len(group),
        planned=planned,
        planned_tokens=sum(work.tokens_in + work.tokens_out for _, work in group),
        tokens=tokens,
        flops=sum(work.model_flops for work in works),
        seconds=seconds,
        tokens_a_second=tokens / held,
        mfu=reached,
        why="" if planned is not None else _why_blank(device, known, gpu),
    )


def _why_blank(device: str, known: str | None, gpu: str) -> str:
    if known is None:
        return f"the peak of {device} is not in config/gpus.yaml"
    return f"ran on {device}, planned for {gpu}"

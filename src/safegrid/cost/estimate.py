"""From jobs to a study's totals: rows by kind, engine starts, hours, money, disk."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from safegrid.config.cost import Assumed, GpuSpec
from safegrid.cost.data import Data
from safegrid.cost.fit import problems_of_fit
from safegrid.cost.jobs import KINDS, RULES, Job
from safegrid.cost.measured import (
    HOUR,
    Compared,
    Share,
    compare,
    measured_shares,
    measured_speeds,
)
from safegrid.cost.memory import Memory, usable
from safegrid.cost.planner import Planner
from safegrid.cost.tokens import Tokens, UnknownError, merge
from safegrid.study import Study
from safegrid.study.judges import validated


@dataclass(frozen=True)
class EqualJobs:
    """So many jobs of a kind that do the same.

    `unknown` of them have no figures, and `why` says why. FLOPs hold padding and what
    is computed again; `memory` is that of the job that holds most, on each of its GPUs;
    `served` says whether a server that runs already answers some; `disk` is what stays.
    """

    kind: str
    what: str
    jobs: int
    unknown: int
    why: str
    reads: Tokens | None
    writes: Tokens | None
    flops: float
    gpu_hours: float
    memory: Memory | None
    served: bool
    fits: bool | None
    disk: float


@dataclass(frozen=True)
class Requests:
    """What one judge sends to its endpoint: work that uses no GPU of ours.

    One request an answer, with the tokens of the questions and, at most, of what it
    writes. `hours` are the least by the requests that may begin in a minute, and
    `unknown` cells are too little known to be counted.
    """

    number: int
    reads: float
    writes: int
    hours: float | None
    unknown: int = 0


@dataclass(frozen=True)
class Estimate:
    """A study's plan on a GPU.

    `starts` are processes that load a model, with the GPU-hours of that; `fetched`
    bytes of weights that bases and judges take, and `scratch` those of checkpoints at
    most; `price` is that of a GPU-hour. `per_thousand` holds the GPU-hours of answers
    to 1000 requests by the dataset that is made of them, `compared` plan and reality
    of finished jobs, but for those that are `left_out`.
    """

    study: str
    gpu: str
    device: GpuSpec
    rows: list[EqualJobs]
    shares: dict[str, Share]
    starts: tuple[int, float]
    fetched: float
    scratch: float
    price: float | None
    problems: list[str]
    sources: list[str]
    per_thousand: dict[str, float]
    endpoints: dict[str, Requests]
    compared: list[Compared]
    left_out: list[str]

    @property
    def gpu_hours(self) -> float:
        """Of all jobs with figures, and of the starts."""
        return sum(row.gpu_hours for row in self.rows) + self.starts[1]

    @property
    def disk(self) -> float:
        """Bytes that stay."""
        return sum(row.disk for row in self.rows) + self.fetched

    @property
    def cost(self) -> float | None:
        """What all of it costs at the price; None without one."""
        return None if self.price is None else self.price * self.gpu_hours


def estimate(
    study: Study,
    assumed: Assumed,
    gpus: Mapping[str, GpuSpec],
    gpu: str,
    price: float | None,
    given: Mapping[str, float],
    root: Path = Path(),
) -> Estimate:
    """Plan a study on a GPU of the registry that all jobs get.

    The user's own shares of the limit are `given`, and stronger than measured ones.
    """
    device = gpus[gpu]
    data = Data(study, assumed, root)
    jobs = Planner(data, device).jobs()
    alike: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        alike.setdefault((job.kind, job.what), []).append(job)
    speeds, left_out = measured_speeds(study, root)
    found = measured_shares(speeds, jobs, gpus, gpu)
    shares = chosen_shares(assumed, found, given, study.root)
    # A plan that goes by what was measured would agree with it by itself.
    before = chosen_shares(assumed, {}, given, study.root)
    return Estimate(
        study=study.name,
        gpu=gpu,
        device=device,
        rows=[_row(group, shares, device) for group in alike.values()],
        shares=shares,
        starts=_starts(jobs, assumed),
        fetched=_fetched(jobs, study),
        scratch=max((job.scratch for job in jobs), default=0.0),
        price=price,
        problems=problems_of_fit(data, dict.fromkeys(RULES, (gpu, device))),
        sources=list(dict.fromkeys(s for job in jobs for s in job.sources)),
        per_thousand=_per_thousand(study, jobs, shares["generate"]),
        endpoints=dict(endpoint_requests(data)),
        compared=compare(speeds, jobs, before, gpus, gpu),
        left_out=left_out,
    )


def chosen_shares(
    assumed: Assumed,
    measured: Mapping[str, tuple[float, int]],
    given: Mapping[str, float],
    root: str,
) -> dict[str, Share]:
    """Return the share of each kind: the user's, else measured, else assumed."""
    found = {}
    for kind in KINDS:
        if kind in given:
            found[kind] = Share(given[kind], "given with --mfu")
        elif kind in measured:
            value, count = measured[kind]
            source = f"measured on {count} finished jobs of {root}"
            found[kind] = Share(value, source, measured=True)
        else:
            found[kind] = Share(assumed.shares[kind], "assumed")
    return found


def _row(
    jobs: Sequence[Job], shares: Mapping[str, Share], device: GpuSpec
) -> EqualJobs:
    kind, what = jobs[0].kind, jobs[0].what
    memories = [job.memory for job in jobs if job.memory and not job.served]
    largest = max(memories, key=lambda m: m.total, default=None)
    reasons = dict.fromkeys(job.unknown for job in jobs if job.unknown)
    return EqualJobs(
        kind=kind,
        what=what,
        jobs=len(jobs),
        unknown=sum(bool(job.unknown) for job in jobs),
        why="; ".join(reasons),
        reads=_together(job.reads for job in jobs),
        writes=_together(job.writes for job in jobs),
        flops=sum(job.work.flops for job in jobs if job.work),
        gpu_hours=sum(shares[kind].hours(job) for job in jobs),
        memory=largest,
        served=any(job.served for job in jobs),
        fits=None if largest is None else largest.total <= usable(device),
        disk=sum(job.disk for job in jobs),
    )


def _together(parts: Iterable[Tokens | None]) -> Tokens | None:
    known = list(dict.fromkeys(part for part in parts if part is not None))
    return merge(known) if known else None


def _per_thousand(study: Study, jobs: Sequence[Job], share: Share) -> dict[str, float]:
    """Return what 1000 requests cost that a model corrects itself on."""
    found = {}
    for name, spec in study.corrected.items():
        own = [job for job in jobs if (job.kind, job.what) == ("generate", name)]
        prompts = sum(job.reads.rows for job in own if job.reads)
        if prompts:
            hours = sum(share.hours(job) for job in own)
            found[name] = 1000 * spec.requests.answers * hours / prompts
    return found


def _starts(jobs: Iterable[Job], assumed: Assumed) -> tuple[int, float]:
    """Return how many processes load a model, and their GPU-hours.

    A training and a reference are a process each; an engine serves all cells of its
    model, a judge's all cells that it judges.
    """
    loads: dict[tuple[str, str], tuple[float, int]] = {}
    for job in jobs:
        if job.memory is None or job.served:
            continue
        own = job.kind in ("train", "reference")
        key = (job.kind, job.name) if own else ("engine", job.model)
        loads[key] = job.memory.weights * job.gpus, job.gpus
    reading = sum(size for size, _ in loads.values()) / (assumed.load_gb_s * 1e9)
    starting = assumed.start_seconds * sum(gpus for _, gpus in loads.values())
    return len(loads), (reading + starting) / HOUR


def _fetched(jobs: Iterable[Job], study: Study) -> float:
    """Return the bytes on disk of bases and judges, in the dtype of the engines."""
    bases = {f"{base}/none/seed0" for base in study.bases}
    sizes = {
        job.model: job.memory.weights
        for job in jobs
        if job.memory is not None
        and (
            job.model in bases
            if job.kind in ("generate", "capability")
            else job.kind in ("judge", "validate_judge")
            and "results/judges/" in job.model
        )
    }
    return sum(sizes.values())


def endpoint_requests(data: Data) -> Iterator[tuple[str, Requests]]:
    """Give each judge behind an endpoint with what it is sent.

    An item that is tried again counts once, and what is kept from earlier runs too.
    """
    study = data.study
    for judge in study.judges:
        endpoint = study.config.judges[judge].endpoint
        if endpoint is None:
            continue
        sets: list[Callable[[], tuple[Tokens, Tokens]]] = [
            partial(data.asked, cell)
            for cell in study.prompted_cells
            if judge in study.asked[cell.benchmark].judges
        ]
        if judge in validated(study):
            sets.append(partial(data.labelled, judge))
        number, reads, unknown = 0, 0.0, 0
        for lengths in sets:
            try:
                prompts, answers = lengths()
            except UnknownError:
                unknown += 1
                continue
            number += answers.rows
            reads += answers.total + answers.rows * (data.assumed.guard + prompts.mean)
        rate, writes = endpoint.requests_per_minute, number * endpoint.max_tokens
        hours = None if rate is None else number / rate / 60
        yield judge, Requests(number, reads, writes, hours, unknown)

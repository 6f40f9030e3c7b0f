"""The report's page of costs: measured beside planned."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from safegrid.config.cost import Assumed, GpuSpec
from safegrid.config.load import load_config
from safegrid.core.records import Key
from safegrid.cost.data import Data
from safegrid.cost.jobs import KINDS, Job
from safegrid.cost.measured import Compared, Share, Speed, compare, measured_speeds
from safegrid.cost.planner import Planner
from safegrid.cost.registry import load_assumptions, load_gpus, meant
from safegrid.report.grid import Entry
from safegrid.report.table import SHEETS, Column, Table
from safegrid.study import Study

COLUMNS = {
    "planned tokens": "planned_tokens",
    "tokens": "tokens",
    "TFLOP": "tflop",
    "planned s": "planned",
    "real s": "seconds",
    "real / planned": "ratio",
    "tokens / s": "tokens_a_second",
    "MFU": "mfu",
}
"""Titles of columns, and what of `Compared` stands in them."""


def cost_table(study: str, config: Path | str, root: Path | str = ".") -> Table:
    """Return plan and reality of every kind of job on every device that it ran on.

    The study is one of the folder `config`; `root` is the folder with `results/`.
    """
    folder = Path(config)
    assumed, gpus = load_assumptions(folder), load_gpus(folder)
    asked = Study(load_config(folder, study))
    found, left_out = _compare_devices(asked, assumed, gpus, Path(root))
    used = dict.fromkeys(one.kind for one in found)
    shares = ", ".join(f"{kind} {assumed.shares[kind]:g}" for kind in used)
    sheet = SHEETS["cost"]
    said = [n.format(shares=shares or "no job has finished") for n in sheet.notes]
    return Table(
        "cost",
        sheet.title,
        sheet.head,
        [f"{one.kind} on {one.device}" for one in found],
        [Column(title, Key("", "", "", ""), 0, "plain") for title in COLUMNS],
        [_entries(one) for one in found],
        notes=[*said, *(f"Left out: {sentence}." for sentence in left_out)],
        judged=False,
    )


def _compare_devices(
    study: Study, assumed: Assumed, gpus: Mapping[str, GpuSpec], root: Path
) -> tuple[list[Compared], list[str]]:
    """Set plan and reality beside each other, on each device that jobs ran on.

    The plan goes by the assumed shares of the limit: measured ones would agree with
    themselves. Sentences tell which jobs are left out.
    """
    speeds, left_out = measured_speeds(study, root)
    data = Data(study, assumed, root)
    shares = {kind: Share(assumed.shares[kind], "assumed") for kind in KINDS}
    found: list[Compared] = []
    for device in sorted({speed.device for speed in speeds}):
        # Of a device that nobody knows the FLOPs are used alone: the same on any.
        gpu = meant(gpus, device) or next(iter(gpus))
        jobs = Planner(data, gpus[gpu]).jobs()
        own = [speed for speed in speeds if speed.device == device]
        found += compare(own, jobs, shares, gpus, gpu)
        left_out += _unplanned(own, jobs)
    return sorted(found, key=lambda one: KINDS.index(one.kind)), left_out


def _unplanned(speeds: Iterable[Speed], jobs: Iterable[Job]) -> list[str]:
    """Say which finished jobs have no plan to stand beside, and why."""
    done = {(speed.kind, speed.name) for speed in speeds}
    blanks = Counter(
        f"{job.kind}: {job.unknown}"
        for job in jobs
        if job.unknown and (job.kind, job.name) in done
    )
    return [f"{count} of {why}" for why, count in blanks.items()]


def _entries(one: Compared) -> list[Entry]:
    values = [
        one.flops / 1e12 if name == "tflop" else getattr(one, name)
        for name in COLUMNS.values()
    ]
    return [
        Entry(value, n=one.jobs, seeds=1, reason=one.why if value is None else None)
        for value in values
    ]

"""What a study's rows took: time and memory, from timing files, manifests and logs."""

import csv
import logging
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.artifacts import read_manifest
from safegrid.runs import ENGINE_PEAK

log = logging.getLogger(__name__)

# The rules that go through rows: the folder of their results, and how those end.
RESULTS = {
    "prepare_dataset": ("datasets", ".parquet"),
    "prepare_prompts": ("prompts", ".parquet"),
    "tokenize": ("pairs", ".parquet"),
    "render": ("ids", ".parquet"),
    "reference": ("reference", ".parquet"),
    "train": ("models", ""),
    "generate": ("responses", ".parquet"),
    "capability": ("capability", ".json"),
    "judge": ("verdicts", ".parquet"),
}
ENGINE = re.compile(re.escape(ENGINE_PEAK).replace("%d", r"(\d+)"))


class Job(NamedTuple):
    """A finished job: rows that it went through, seconds, and megabytes at its peak."""

    what: str
    rows: int
    seconds: float
    megabytes: float | None


def print_rates(study: str) -> None:
    """Print what each stage of a study took, for as many jobs as have a timing file.

    Seconds are those of the jobs' own clocks, start-up included; beside other jobs they
    are longer than alone. A training's rows are the pairs of all its steps.
    """
    order = list(RESULTS)
    found = sorted(jobs(study), key=lambda job: (order.index(job.what.split()[0]), job))
    lines = [_line(w, list(group)) for w, group in groupby(found, lambda j: j.what)]
    head = f"{'stage':32}{'jobs':>6}{'rows':>9}{'s a 1000 rows':>15}{'peak MB':>9}"
    print("\n".join([f"study {study}: what its rows took", head, *lines]))


def jobs(study: str, root: Path = Path()) -> Iterator[Job]:
    """Give the jobs of a study whose timing file and result are there."""
    for rule, (folder, ending) in RESULTS.items():
        timing = root / "logs/timing" / study / rule
        for path in sorted(timing.rglob("*.tsv")):
            name = str(path.relative_to(timing)).removesuffix(".tsv")
            result = root / "results" / study / folder / f"{name}{ending}"
            if not result.exists():
                continue
            what = f"judge {name.split('/')[0]}" if rule == "judge" else rule
            with path.open() as stream:
                took = next(csv.DictReader(stream, delimiter="\t"))
            peaks = _engine_peaks(root / "logs" / study / rule / f"{name}.log")
            # Snakemake writes `NA` for jobs that ended before it looked.
            if took["max_rss"] not in ("NA", "-"):
                peaks.append(float(took["max_rss"]))
            rows = _rows(read_manifest(result))
            yield Job(what, rows, float(took["s"]), max(peaks, default=None))


def _line(what: str, group: list[Job]) -> str:
    rows = sum(job.rows for job in group)
    seconds = sum(job.seconds for job in group)
    rate = f"{1000 * seconds / rows:.2f}" if rows else "-"
    peaks = [job.megabytes for job in group if job.megabytes is not None]
    peak = f"{max(peaks):.0f}" if peaks else "-"
    return f"{what:32}{len(group):>6}{rows:>9}{rate:>15}{peak:>9}"


def _rows(facts: dict[str, Any]) -> int:
    """Return the rows that went in: kept ones, dropped ones, or a training's."""
    if "steps" in facts:
        batch: int = facts["params"]["recipe"]["training"]["batch"]
        return batch * int(facts["steps"])
    dropped: dict[str, int] = facts.get("dropped", {})
    return int(facts["rows"]) + sum(dropped.values())


def _engine_peaks(path: Path) -> list[float]:
    """Return what a job's log says of the engine that it asked, if it asked one."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return [float(megabytes) for megabytes in ENGINE.findall(text)]

"""Usage of a study by stage: time, memory and speed, from the files that jobs leave."""

import csv
import logging
import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config.block import Name
from safegrid.core.artifacts import read_manifest
from safegrid.core.errors import DataError
from safegrid.runtime.runs import PEAK
from safegrid.runtime.usage import UntimedError, per_thousand, recorded

log = logging.getLogger(__name__)

# The rules that go through rows: the folder of their results, and how those end.
RESULTS = {
    "prepare_dataset": ("datasets", ".parquet"),
    "prepare_prompts": ("prompts", ".parquet"),
    "prepare_corrections": ("prompts", ".parquet"),
    "prepare_chosen": ("prompts", ".parquet"),
    "tokenize": ("pairs", ".parquet"),
    "render": ("ids", ".parquet"),
    "reference": ("reference", ".parquet"),
    "train": ("models", ""),
    "generate": ("responses", ".parquet"),
    "capability": ("capability", ".json"),
    "reference_likelihood": ("likelihoods", ".parquet"),
    "judge": ("verdicts", ".parquet"),
    "best_of_k": ("generated", ".parquet"),
    "corrections": ("generated", ".parquet"),
    "rejected_by_model": ("generated", ".parquet"),
}
HELD = re.compile(PEAK.replace("%s", "").replace("%d", r"(\d+)"))


class FinishedJob(NamedTuple):
    """A finished job, with the rows that it went through and its peak of memory.

    The seconds are its own, start-up included. `tokens` are those that its model read
    and wrote, 0 where it has none or nobody knows; it `worked` for so many seconds.
    """

    what: str
    rows: int
    seconds: float
    megabytes: float | None
    tokens: int = 0
    worked: float = 0.0
    device: str = ""


def print_rates(study: Name) -> None:
    """Print what each stage of a study took, for as many jobs as have a timing file.

    Seconds are those of the jobs' own clocks, start-up included; beside other jobs they
    are longer than alone. A training's rows are the pairs of all its steps. Tokens a
    second are those of models at work, as in the cell manifests.
    """
    order = list(RESULTS)
    found = sorted(
        jobs(study), key=lambda job: (order.index(job.what.split()[0]), job.what)
    )
    lines = [_line(w, list(group)) for w, group in groupby(found, lambda j: j.what)]
    head = f"{'stage':32}{'jobs':>6}{'rows':>9}{'s a 1000 rows':>15}{'peak MB':>9}"
    head += f"{'tokens/s':>10}  device"
    lines += made(study)
    print("\n".join([f"study {study}: what its rows took", head, *lines]))


def made(study: str, root: Path = Path()) -> Iterator[str]:
    """Say of each dataset of corrections what a thousand of its requests took."""
    folder = root / "results" / study / "generated"
    for path in sorted(folder.rglob("*.parquet")):
        facts = _facts(path)
        if facts is None or "answered_by" not in facts:
            continue
        name = str(path.relative_to(folder).with_suffix(""))
        asked = facts["requests"]
        requests = asked["kept"] + sum(asked["dropped"].values())
        try:
            record = recorded(path, facts["answered_by"])
        except UntimedError as error:
            yield f"{name}: what 1000 requests cost is not known: {error}"
        else:
            yield f"{name}: {per_thousand(record, requests)}"


def jobs(study: str, root: Path = Path()) -> Iterator[FinishedJob]:
    """Give the jobs of a study whose timing file and result are there."""
    for rule, (folder, ending) in RESULTS.items():
        timing = root / "logs/timing" / study / rule
        for path in sorted(timing.rglob("*.tsv")):
            name = str(path.relative_to(timing)).removesuffix(".tsv")
            result = root / "results" / study / folder / f"{name}{ending}"
            facts = _facts(result) if result.exists() else None
            if facts is None:
                continue
            try:
                seconds, peaks = _timing(path)
            except (KeyError, TypeError, ValueError):
                log.warning("%s: no timing of Snakemake's; its job is left out", path)
                continue
            peaks += _other_peaks(root / "logs" / study / rule / f"{name}.log")
            what = f"judge {name.split('/')[0]}" if rule == "judge" else rule
            peak = max(peaks, default=None)
            yield FinishedJob(what, _rows(facts), seconds, peak, *_busy(result, facts))


def _facts(result: Path) -> dict[str, Any] | None:
    """Read a manifest; None of a damaged result, without which the list goes on."""
    try:
        return read_manifest(result)
    except DataError as error:
        fault, _, _ = str(error).partition("\n")
        log.warning("%s; its job is left out", fault)
        return None


def _timing(path: Path) -> tuple[float, list[float]]:
    """Read seconds and, of jobs that did not end before Snakemake looked, the peak."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        row = next(csv.DictReader(stream, delimiter="\t"), {})
    peak = row["max_rss"]
    return float(row["s"]), [] if peak in ("NA", "-") else [float(peak)]


def _line(what: str, group: list[FinishedJob]) -> str:
    rows = sum(job.rows for job in group)
    seconds = sum(job.seconds for job in group)
    rate = f"{1000 * seconds / rows:.2f}" if rows else "-"
    peaks = [job.megabytes for job in group if job.megabytes is not None]
    peak = f"{max(peaks):.0f}" if peaks else "-"
    worked = sum(job.worked for job in group)
    speed = f"{sum(job.tokens for job in group) / worked:.0f}" if worked else "-"
    devices = " and ".join(sorted({job.device for job in group} - {""})) or "-"
    line = f"{what:32}{len(group):>6}{rows:>9}{rate:>15}{peak:>9}"
    return f"{line}{speed:>10}  {devices}"


def _rows(facts: dict[str, Any]) -> int:
    """Return the rows that went in: kept ones, dropped ones, or a training's."""
    if "steps" in facts:
        batch: int = facts["params"]["recipe"]["training"]["batch"]
        return batch * int(facts["steps"])
    dropped: dict[str, int] = facts.get("dropped", {})
    return int(facts["rows"]) + sum(dropped.values())


def _busy(result: Path, facts: dict[str, Any]) -> tuple[int, float, str]:
    """Return a model's tokens, its seconds at work and its device; else nothing."""
    if "run" in facts:
        # A resumed training's seconds are those of a part.
        run = facts["run"]
        took = int(facts["tokens"]), float(run["seconds"]), str(run["device"])
        return (0, 0.0, "") if facts["resumed"] else took
    try:
        usage = recorded(result, facts.get("engine")).usage
    except UntimedError:
        usage = None
    if usage is None:
        return 0, 0.0, ""
    return usage.tokens_in + usage.tokens_out, usage.seconds, usage.device


def _other_peaks(path: Path) -> list[float]:
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return [float(megabytes) for megabytes in HELD.findall(text)]

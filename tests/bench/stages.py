"""Where a study's time went, from the timing files of its jobs and its own tables."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from safegrid.config.load import load_config
from safegrid.core.files import read_json

ROOT = Path(__file__).resolve().parents[2]
# Rules that run a notebook.
PAGES = yaml.safe_load((ROOT / "rules/pages.yaml").read_text())
# Rules by what a reader asks for.
PHASES = {
    "miniworld": ("build_world", "train_base", "train_judge"),
    "training": ("reference", "kto_reference", "train"),
    "generation": ("generate", "capability"),
    "judging": ("judge", "validate_judge", "judge_stress", "calibrate"),
    "scoring": ("score", "score_capability", "score_global", "frontier", "collect"),
    "reporting": (*PAGES, "status_page", "report"),
}

# Which rule fills a folder of results.
MAKERS = {
    **{"raw": "build_world", "bases": "train_base", "judges": "train_judge"},
    **{"datasets": "prepare_dataset", "prompts": "prepare_prompts"},
    **{"pairs": "tokenize", "ids": "render", "models": "train"},
    **{"responses": "generate", "verdicts": "judge", "validated": "validate_judge"},
    **{
        "calibrated": "calibrate",
        "stress": "judge_stress",
        "scores": "score",
        "notebooks": "write_tables",
    },
    **{"tables": "write_tables", "figures": "trade_offs"},
}


def jobs(folder: Path, study: str) -> Iterator[tuple[str, float, Path]]:
    """Yield rule, wall seconds and timing file of every job."""
    timing = folder / "logs" / "timing"
    for root in (timing, timing / study):
        for path in sorted(root.rglob("*.tsv")):
            inside = path.relative_to(root).parts
            # A world belongs to no study; other studies' timings lie beside ours.
            if root == timing and inside[0] not in PHASES["miniworld"]:
                continue
            with path.open() as stream:
                row = next(csv.DictReader(stream, delimiter="\t"))
            yield inside[0].removesuffix(".tsv"), float(row["s"]), path


def stage_shares(folder: Path, study: str) -> dict[str, Any]:
    """Return each phase's seconds over all its jobs and its share of the whole."""
    seconds: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    phase_of = {rule: phase for phase, rules in PHASES.items() for rule in rules}
    for rule, spent, _ in jobs(folder, study):
        phase = phase_of.get(rule, "data")
        seconds[phase] += spent
        counts[phase] += 1
    total = sum(seconds.values())
    return {
        phase: {"jobs": counts[phase], "seconds": spent, "share": spent / total}
        for phase, spent in sorted(seconds.items())
    }


def throughput(folder: Path, study: str) -> dict[str, float]:
    """Return tokens a second of jobs' wall time, start-up included."""
    root = folder / "results" / study
    responses = pl.concat(
        [pl.read_parquet(path) for path in (root / "responses").rglob("*.parquet")]
    )
    spent: dict[str, float] = defaultdict(float)
    for rule, seconds, _ in jobs(folder, study):
        spent[rule] += seconds
    verdicts = len(list((root / "verdicts").rglob("*.parquet")))
    cells = len(list((root / "responses").rglob("*.parquet")))
    answered = float(responses["n_tokens"].sum())
    read = float(responses["n_prompt_tokens"].sum()) + answered
    manifests = (root / "models").glob("*/*/*/manifest.json")
    trained = sum(read_json(path)["tokens"] for path in manifests)
    return {
        "generation": answered / spent["generate"],
        "judging": read / cells * verdicts / spent["judge"],
        "training": trained / spent["train"],
    }


def write_costs(folder: Path, study: str, out: Path) -> None:
    """Write mean seconds and megabytes of results a job, of each rule.

    They stand under the study's first base; those of other bases are kept.
    """
    seconds: dict[str, list[float]] = defaultdict(list)
    for rule, spent, _ in jobs(folder, study):
        seconds[rule].append(spent)
    made = megabytes_made(folder / "results", study)
    table = {
        rule: {
            "seconds": round(sum(spent) / len(spent), 2),
            "megabytes": round(made.get(rule, 0.0) / len(spent), 3),
        }
        for rule, spent in sorted(seconds.items())
    }
    [base, *_] = load_config(folder / "config", study).study.bases
    lines = out.read_text().splitlines(keepends=True)
    head = [line for line in lines if line.startswith("#")]
    every = yaml.safe_load("".join(lines)) | {base: table}
    out.write_text("".join(head) + yaml.safe_dump(every))


def megabytes_made(results: Path, study: str) -> dict[str, float]:
    """Return the size of what each rule's jobs have left, caches with their askers."""
    made: dict[str, float] = defaultdict(float)
    for path in results.rglob("*"):
        if path.is_file():
            parts = path.relative_to(results).parts
            inside = parts[1:] if parts[0] == study else parts
            place = inside[1] if inside[0] == "cache" else inside[0]
            made[MAKERS.get(place, place)] += path.stat().st_size / 1e6
    return made

"""`make bench`: what the default study costs on this machine, beside the last figures.

Runs the whole study cold in a fresh copy of the repository, then again, then its
figures alone; sets its plan beside it; plans a study of many cells; measures planning,
the engine and the trainers against plain runs of the same work; checks that the fresh
run's scores are the bytes of the last one's; counts how often corrected intervals hold
a truth that is known.
Prints everything, writes docs/bench.json, and tells the difference to the file that
was there. Figures of two machines do not compare; ratios do, roughly.
"""

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from bench.processes import measure
from bench.stages import PAGES, stage_shares, throughput, write_costs
from bench.watch import Watch
from safegrid.runtime.runs import OWNER_FILE
from small_studies import STUDY as POOR
from small_studies import coverage

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "bench.json"
# What the project promises for the default study on two cores.
LIMITS = {
    "study.cold_seconds": 600,
    "study.nothing_to_do_seconds": 5,
    "study.figures_seconds": 30,
    "study.peak_megabytes": 4000,
    "planning_seconds.planning": 3,
    "engine_against_generate.cpu_ratio_of_best": 1.3,
}
# `python -m bench.bench_vllm`, and `python -m bench.bench_train --study smollm2`.
BY_HAND = ("vllm_against_ours", "training_at_real_lengths")
# A study of many cells is one like this, with other recipes.
MANY_LIKE = "config/studies/tiny.yaml"
# Of the default study.
FIGURE_RULES = [
    name
    for name, page in PAGES.items()
    if page.get("figures") and not {"paper", "axis"} & set(page)
]
FIGURE_RULES.append("figure_1")


def timed(command: list[str], folder: Path) -> float:
    """Return the wall seconds of a command that must succeed."""
    start = time.perf_counter()
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if run.returncode:
        sys.exit(
            f"{' '.join(command)} failed:\n{run.stdout[-2000:]}{run.stderr[-2000:]}"
        )
    return time.perf_counter() - start


def copy_sources(folder: Path) -> None:
    """Copy what git tracks, or would, so that nothing is there already."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    for name in listed.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)


def planning(folder: Path, study: str) -> dict[str, float]:
    """Seconds that planning takes above Snakemake's own start; the best of three."""
    plan = ["snakemake", "--dry-run", "--quiet", "all", "--config", f"study={study}"]
    version = min(timed(["snakemake", "--version"], folder) for _ in range(3))
    planned = min(timed(plan, folder) for _ in range(3))
    return {"version": version, "dry_run": planned, "planning": planned - version}


def many_cells(folder: Path, models: int = 200) -> dict[str, float]:
    """Plan a study of many models: its jobs, and what Snakemake takes for it."""
    blocks = yaml.safe_load((folder / MANY_LIKE).read_text())
    recipe = blocks["recipes"]["dpo"]
    blocks |= {"name": "many-cells", "title": "Many cells"}
    blocks["recipes"] = {
        f"dpo-{number}": {**recipe, "training": {"learning_rate": number * 1e-7}}
        for number in range(1, models)
    }
    made = folder / "config/studies/many-cells.yaml"
    made.write_text(yaml.safe_dump(blocks, sort_keys=False))
    asked = ["--quiet", "rules", "--config", "study=many-cells"]
    used, told = measure(["snakemake", "--dry-run", *asked], folder)
    made.unlink()
    cells = models * len(blocks["benchmarks"])
    jobs = int(told.rpartition("\ntotal")[2].split()[0])
    return {"cells": cells, "jobs": jobs, **used}


def study(folder: Path, name: str, cores: int) -> dict[str, Any]:
    """Run a study cold, again, and its figures alone; in seconds and megabytes."""
    command = [sys.executable, "-m", "safegrid", "study", "--study", name]
    command += ["--cores", str(cores)]
    with Watch(folder / OWNER_FILE) as watch:
        cold = timed(command, folder)
    again = timed(command, folder)
    figures = [
        *("snakemake", "--cores", str(cores), "--config", f"study={name}"),
        *("--forcerun", *FIGURE_RULES, "--", "figures"),
    ]
    return {
        "cold_seconds": cold,
        "nothing_to_do_seconds": again,
        "figures_seconds": timed(figures, folder),
        "peak_megabytes": watch.peak,
        "most_processes": watch.most,
        "results_megabytes": megabytes(folder / "results"),
    }


def megabytes(folder: Path) -> float:
    """Size of a folder's files."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 1e6


def poor_judges(folder: Path, cores: int) -> dict[str, Any]:
    """Run the study of poor judges; return how often corrected intervals hold."""
    command = [sys.executable, "-m", "safegrid", "study", "--study", POOR]
    seconds = timed([*command, "--cores", str(cores)], folder)
    root = folder / "results" / POOR
    found = {
        judge.stem: {recipe: one._asdict() for recipe, one in models.items()}
        for judge in sorted((root / "validated").glob("*.json"))
        for models in [coverage(root, judge.stem)]
    }
    return {"cold_seconds": seconds, **found}


def same_scores(folder: Path, name: str) -> bool | None:
    """Whether the fresh run's scores are those of the run that lies here."""
    here, fresh = (
        root / "results" / name / "scores.parquet" for root in (ROOT, folder)
    )
    return here.read_bytes() == fresh.read_bytes() if here.exists() else None


def script(name: str, *options: str) -> Any:
    """Run one of the comparisons beside this file and return what it printed."""
    command = [sys.executable, "-m", f"bench.{name}", *options]
    run = subprocess.run(command, cwd=ROOT / "tests", capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"{name} failed:\n{run.stderr[-2000:]}")
    return json.loads(run.stdout)


def rounded(value: Any) -> Any:
    """Round all numbers of a nested record to three digits after the point."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value


def compare(new: Any, old: Any, path: str = "") -> list[str]:
    """Return a line for each number: old, new, their ratio, and its limit if any."""
    if isinstance(new, dict):
        before = old if isinstance(old, dict) else {}
        lines = (
            compare(v, before.get(k), f"{path}.{k}".strip(".")) for k, v in new.items()
        )
        return [line for group in lines for line in group]
    number = isinstance(new, (int, float)) and not isinstance(new, bool)
    said = [f"at most {LIMITS[path]}"] if path in LIMITS else []
    if number and isinstance(old, (int, float)) and old:
        said.append(f"was {old}, x {new / old:.2f}")
    return [f"{path}: {new}" + (f" ({'; '.join(said)})" if said else "")]


def main() -> None:
    """Measure, print, compare and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="mini")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_sources(folder)
        measured = study(folder, options.study, options.cores)
        record: dict[str, Any] = {
            "machine": f"{platform.machine()}, {options.cores} cores",
            "study": {"name": options.study, **measured},
            "planning_seconds": planning(folder, options.study),
            "many_cells": many_cells(folder),
            "plan_against_reality": script(
                "bench_plan", "--study", options.study, "--root", name
            ),
            "same_scores_as_the_last_run": same_scores(folder, options.study),
            "stages": stage_shares(folder, options.study),
            "tokens_per_second": throughput(folder, options.study),
        }
        write_costs(folder, options.study, ROOT / "src/safegrid/workflow/costs.yaml")
        # Last: the timings of its world lie beside those of the default study's.
        record["poor_judges"] = poor_judges(folder, options.cores)
    record["training_against_stock"] = script("bench_train")
    record["engine_against_generate"] = script("bench_engine")
    record = rounded(record)
    old = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    # Measured by hand: they need a vLLM and a real model.
    record |= {key: old[key] for key in BY_HAND if key in old}
    print("\n".join(compare(record, old)))
    RECORD.write_text(json.dumps(record, indent=2) + "\n")
    if record["same_scores_as_the_last_run"] is False:
        sys.exit(
            "the scores are not the bytes of those in results/: those were made by"
            " other code or settings (run `make study` first), or runs do not repeat"
        )


if __name__ == "__main__":
    main()

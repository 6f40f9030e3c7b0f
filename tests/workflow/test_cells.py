"""Cells made again, forced or not, and from rows in another order."""

import polars as pl
import pytest

from safegrid.core.artifacts import read_manifest, write_table
from safegrid.study import cells
from safegrid.study.grid import Cell

CELL = "tiny-base/nca/seed0/alert"
FORCED = ("recipe=nca", "benchmark=alert", "force=true")
MOVED = ("prompts", "responses", "verdicts")
MASS = "tiny-guard:\n  min_label_mass: 0.02"


def judges(finished, benchmark):
    return len(finished.study.config.benchmarks[benchmark].judges)


def test_a_forced_cell_is_its_own_files_and_nothing_that_they_are_made_of(finished):
    plan = finished.plan("cell", options=FORCED)
    n = judges(finished, "alert")
    # The list of its files is made the first time that a cell is asked for by name.
    ends = {"cell_manifest_cell": 1, "cell": 1}
    assert plan.counts == {"generate": 1, "judge": n, "score": 1, **ends}
    for job in plan.jobs[:-1]:
        wanted = {"recipe": "nca", "benchmark": "alert"}
        assert {**job.wildcards, **wanted} == job.wildcards
    assert finished.plan("cell", options=FORCED[:2]).counts == ends


@pytest.mark.parametrize(("option", "models"), [("method=dpo", 1), ("seed=0", 3)])
def test_a_forced_slice_is_every_cell_that_fits(finished, option, models):
    counts = finished.plan("cells", options=(option, "force=true")).counts
    blocks = finished.study.prompted.values()
    assert counts == {
        "generate": models * len(blocks),
        "judge": models * sum(len(block.judges) for block in blocks),
        "score": models * len(blocks),
        "capability": models * len(finished.study.suites),
        "score_capability": models * len(finished.study.suites),
        "cell_manifest_answers": models,
        "cell_manifest_verdicts": models,
        "cells": 1,
    }


def test_force_is_true_or_false(finished):
    options = ("recipe=nca", "benchmark=alert", "force=maybe")
    said = finished.refused(*finished.snakemake("cell", options=options))
    assert "force: got 'maybe'; expected true or false" in said


def test_a_forced_cell_is_told_first_and_gives_the_same(finished, copy):
    planned = copy.plan("judge_all").jobs
    said = copy.call(*copy.snakemake("cell", options=FORCED))
    n = judges(finished, "alert")
    assert f"missing: 1 jobs; stale: {2 + n} jobs\n  1 generate: forced\n" in said
    for folder in ("responses", "scores"):
        file = f"results/tiny/{folder}/{CELL}.parquet"
        new, old = copy.folder / file, finished.folder / file
        assert new.stat().st_mtime_ns > old.stat().st_mtime_ns
        assert new.read_bytes() == old.read_bytes()
    assert copy.plan("judge_all").jobs == planned == []
    # What is missing and what is stale, and why, in the same copy.
    verdicts = f"results/tiny/verdicts/tiny-guard/{CELL}.parquet"
    scores = "results/tiny/scores/tiny-base/none/seed0/toxicity.parquet"
    (copy.folder / scores).unlink()
    with copy.edited("config/judges.yaml", lambda t: t.replace("tiny-guard:", MASS)):
        said = copy.call(*copy.snakemake(verdicts, scores))
    assert "missing: 1 jobs; stale: 1 jobs\n  1 judge: changed params `judge`\n" in said
    assert said.index("stale: 1 jobs") < said.index("rule judge:")


def test_scores_of_a_study_do_not_depend_on_the_order_of_rows(copy):
    results = copy.folder / "results/tiny"
    for path in sorted(
        f for name in MOVED for f in results.glob(f"{name}/**/*.parquet")
    ):
        rows, facts = pl.read_parquet(path), read_manifest(path)
        moved = rows.sample(fraction=1, shuffle=True, seed=7)
        assert not moved.equals(rows)
        write_table(path, moved, dict(rows.schema), facts)
    model = copy.study.trained[0]
    files = [f"results/tiny/scores/{model.path}/global.parquet"]
    files += [
        cells.files(copy.study, Cell(model, name))[-1] for name in copy.study.prompted
    ]
    before = {file: pl.read_parquet(copy.folder / file) for file in files}
    for file in files:
        (copy.folder / file).unlink()
    snakemake, *rest = copy.snakemake(*files)
    copy.call(snakemake, "--allowed-rules", "score", "score_global", *rest)
    for file, rows in before.items():
        assert pl.read_parquet(copy.folder / file).equals(rows, null_equal=True), file

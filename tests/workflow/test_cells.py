"""Cells made again, forced or not, and what a run says of it at its start."""

import pytest

pytestmark = pytest.mark.timeout(3600)

CELL = "tiny-base/nca/seed0/alert"
FORCED = ("recipe=nca", "benchmark=alert", "force=true")


@pytest.fixture
def tree(finished, tmp_path):
    made = finished.copy(tmp_path / "repository")
    yield made
    made.end()


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


@pytest.mark.parametrize(
    ("option", "models"),
    [("recipe=nca", 1), ("method=dpo", 1), ("base=tiny-base", 3), ("seed=0", 3)],
)
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
    options = "study=tiny recipe=nca benchmark=alert force=maybe"
    done = finished.run(*f"snakemake -n --config {options} -- cell".split())
    assert done.returncode == 1
    assert "force: got 'maybe'; expected true or false" in done.stdout


def test_a_forced_cell_is_told_first_and_gives_the_same(finished, tree):
    options = ("study=tiny", *FORCED)
    planned = tree.plan("judge_all").jobs
    said = tree.call("snakemake", "--config", *options, "--", "cell")
    n = judges(finished, "alert")
    assert f"missing: 1 jobs; stale: {2 + n} jobs\n  1 generate: forced\n" in said
    for folder in ("responses", "scores"):
        file = f"results/tiny/{folder}/{CELL}.parquet"
        new, old = tree.folder / file, finished.folder / file
        assert new.stat().st_mtime_ns > old.stat().st_mtime_ns
        assert new.read_bytes() == old.read_bytes()
    assert tree.plan("judge_all").jobs == planned == []


def test_a_run_says_what_is_missing_and_what_is_stale_and_why(tree):
    verdicts = f"results/tiny/verdicts/tiny-guard/{CELL}.parquet"
    scores = "results/tiny/scores/tiny-base/none/seed0/toxicity.parquet"
    (tree.folder / scores).unlink()
    judge = "config/judges.yaml"
    with tree.edited(judge, lambda t: t.replace("tiny-guard:", f"tiny-guard:\n{MASS}")):
        said = tree.call(
            *f"snakemake --config study=tiny -- {verdicts} {scores}".split()
        )
    assert "missing: 1 jobs; stale: 1 jobs\n  1 judge: changed params `judge`\n" in said
    assert said.index("stale: 1 jobs") < said.index("rule judge:")


MASS = "  min_label_mass: 0.02"

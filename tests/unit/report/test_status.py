"""How cells stand, from score files, a plan, logs and Snakemake's marks."""

import base64
import os
from pathlib import Path

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, write_table, write_text
from safegrid.core.records import SCORE
from safegrid.report.status import State, as_table, in_progress, state_of
from safegrid.runtime.plans import Job
from safegrid.runtime.runs import write_owner

SCORES = "results/s/scores/b/nca/seed0/alert.parquet"
ANSWERS = "results/s/responses/b/nca/seed0/alert.parquet"
LOG = "logs/generate.log"
PLAN = {
    ANSWERS: Job("generate", [], [ANSWERS], [LOG], "Params have changed"),
    SCORES: Job("score", [ANSWERS], [SCORES], ["logs/score.log"], "Input updated"),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(scores, **changes):
    rows = scores.filter(recipe="nca", benchmark="alert", metric="safety")
    rows = rows.with_columns(**{k: pl.lit(v) for k, v in changes.items()})
    table = rows.cast({name: SCORE[name] for name in changes})
    write_table(Path(SCORES), table, SCORE, manifest("score", {}, {}))


def test_a_cell_without_a_planned_job_is_done_and_says_what_is_unscored(here, scores):
    write(scores, n_unscored=3)
    assert state_of(SCORES, {}, set()) == State("done", 3)
    assert state_of(SCORES, {}, set()).text == "done u=3"


def test_a_score_file_that_was_edited_is_no_done_one(here, scores):
    write(scores)
    Path(SCORES).write_bytes(Path(SCORES).read_bytes()[:-1])
    state = state_of(SCORES, {}, set())
    assert state.word == "damaged"
    assert state.reason.startswith(f"Damaged: {SCORES} is not as it was written")


def test_a_refused_score_is_no_done_one(here, scores):
    write(scores, value=None, reason="too many unscored", n_unscored=4)
    state = state_of(SCORES, {}, set())
    assert state.word == "refused"
    assert "too many unscored" in state.reason


def test_a_cell_with_an_empty_part_is_done(here, scores):
    write(scores, value=None, reason="no answer of this kind", n_unscored=0)
    assert state_of(SCORES, {}, set()) == State("done")


def test_what_is_planned_is_missing_stale_failed_or_at_work(here, scores):
    assert state_of(SCORES, PLAN, set()) == State("missing")
    write(scores)
    stale = state_of(SCORES, PLAN, set())
    assert stale.word == "stale"
    assert stale.reason.endswith("is to be made again: Params have changed")
    write_text(Path(LOG), "x\nerror: the engine ended\n")
    failed = state_of(SCORES, PLAN, set())
    assert failed == State("failed", 0, f"Failed in generate: the engine ended ({LOG})")
    assert state_of(SCORES, PLAN, {ANSWERS}) == State("running")


def test_marks_of_a_living_run_say_what_it_makes(here):
    marks = here / "incomplete"
    long = "results/" + "x" * 250
    for name in (ANSWERS, long):
        text = base64.urlsafe_b64encode(name.encode()).decode()
        parts = [text[i : i + 200] for i in range(0, len(text), 200)]
        path = marks.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    owner = here / "owner.json"
    assert in_progress(marks, owner) == set()
    write_owner("run", os.getpid(), owner)
    assert in_progress(marks, owner) == {ANSWERS, long}
    write_owner("run", 2**22 + 1, owner)
    assert in_progress(marks, owner) == set()


def test_the_table_has_a_line_a_model_and_a_column_a_benchmark():
    root = "results/s/scores/b"
    states = {
        f"{root}/none/seed0/alert.parquet": State("done"),
        f"{root}/none/seed0/xstest.parquet": State("done", 2),
        f"{root}/nca/seed0/alert.parquet": State("failed", 0, "why"),
    }
    assert [line.split() for line in as_table(states).splitlines()] == [
        ["alert", "xstest"],
        ["b/none/seed0", "done", "done", "u=2"],
        ["b/nca/seed0", "failed", "-"],
    ]

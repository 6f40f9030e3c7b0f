"""How cells stand, from score files, a plan, logs and marks; and the page of it."""

import base64
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from bs4 import BeautifulSoup

from safegrid.core.artifacts import manifest, write_table, write_text
from safegrid.core.records import SCORE
from safegrid.report.status import (
    STATES,
    State,
    as_table,
    in_progress,
    page_of,
    state_of,
    write_finished,
)
from safegrid.runtime.plans import PlannedJob
from safegrid.runtime.runs import write_owner

SCORES = "results/s/scores/b/nca/seed0/alert.parquet"
ANSWERS = "results/s/responses/b/nca/seed0/alert.parquet"
LOG = "logs/generate.log"
PLAN = {
    ANSWERS: PlannedJob("generate", [], [ANSWERS], [LOG], "Params have changed"),
    SCORES: PlannedJob(
        "score", [ANSWERS], [SCORES], ["logs/score.log"], "Input updated"
    ),
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
    # A part that is empty for reasons of its own was not refused.
    write(scores, value=None, reason="no answer of this kind", n_unscored=0)
    assert state_of(SCORES, {}, set()) == State("done")


def test_edited_and_refused_scores_are_not_done(here, scores):
    write(scores, value=None, reason="too many unscored", n_unscored=4)
    state = state_of(SCORES, {}, set())
    assert state.word == "refused"
    assert "too many unscored" in state.reason
    Path(SCORES).write_bytes(Path(SCORES).read_bytes()[:-1])
    state = state_of(SCORES, {}, set())
    assert state.word == "damaged"
    assert state.reason.startswith(f"Damaged: {SCORES} is not as it was written")


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


@pytest.fixture
def states():
    why = "Failed in train: a <loss> is nan"
    found = {
        "none/seed0/alert": State("done", 3),
        "none/seed0/xstest": State("refused", 9, "Refused: 9 of 9"),
        "nca/seed0/alert": State("failed", 0, why),
        "nca/seed0/xstest": State("failed", 0, why),
        "dpo/seed0/alert": State("missing"),
    }
    root = "results/s/scores/b"
    return {f"{root}/{name}.parquet": state for name, state in found.items()}


def test_the_table_has_a_line_a_model_and_a_column_a_benchmark(states):
    assert [line.split() for line in as_table(states).splitlines()] == [
        ["alert", "xstest"],
        ["b/none/seed0", "done", "u=3", "refused", "u=9"],
        ["b/nca/seed0", "failed", "failed"],
        ["b/dpo/seed0", "missing", "-"],
    ]


def cells(page):
    """The class or scope, and the text, of each cell of a page's table."""
    found = BeautifulSoup(page, "html.parser").find_all(["th", "td"])
    return [[*cell.get("class", [cell.get("scope")]), cell.text] for cell in found]


def test_the_page_says_in_words_how_every_cell_stands_and_each_reason_once(states):
    text = page_of("s", states, datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    assert cells(text) == [
        *(["col", "Model"], ["col", "alert"], ["col", "xstest"]),
        ["row", "b/none/seed0"],
        *(["done", "done3 unscored"], ["refused", "refused (1)9 unscored"]),
        ["row", "b/nca/seed0"],
        *(["failed", "failed (2)"], ["failed", "failed (2)"]),
        ["row", "b/dpo/seed0"],
        *(["missing", "missing"], ["none", "not in this study"]),
    ]
    counts = "1 done, 2 failed, 1 missing, 1 refused"
    assert f"{counts}. Made 2026-01-02 03:04+00:00." in text
    assert text.count("a &lt;loss&gt; is nan (2 cells)</li>") == 1
    links = re.findall(r'href="#([^"]+)"', text)
    assert set(links) == set(re.findall(r'id="([^"]+)"', text))


def test_the_page_needs_no_other_file_and_has_a_colour_for_every_word(states):
    text = page_of("s", states, datetime.now(UTC))
    for outside in ("http:", "https:", "url(", "@import", "<script", "src=", "data="):
        assert outside not in text
    for word in STATES:
        assert f".{word} {{ background:" in text
        assert f'<dt class="{word}">{word}</dt>' in text


def test_the_reports_page_is_of_finished_scores(here, scores):
    write(scores)
    write_finished("s", [Path(SCORES)], here / "status.html")
    assert ["done", "done"] in cells((here / "status.html").read_text())

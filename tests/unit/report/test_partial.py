"""A report of a grid with holes: each blank says why."""

import polars as pl
import pytest

from safegrid.artifacts import manifest, write_table, write_text
from safegrid.errors import DataError
from safegrid.records import SCORE
from safegrid.report.partial import cell_of, partial_scores, write_partial
from safegrid.report.tables import main_table
from safegrid.report.writing import markdown

BENCHMARKS = [
    "alert",
    "alert_adversarial",
    "global",
    "toxicity",
    "xstest",
    "capability",
]


@pytest.fixture
def grid(scores, tmp_path):
    """Score files of three models, and the folder of logs."""
    root = tmp_path / "results/mini"
    files = []
    for recipe in ("none", "dpo", "nca"):
        for benchmark in BENCHMARKS:
            cell = f"mini-base/{recipe}/seed0/{benchmark}.parquet"
            responses = root / "responses" / cell
            write_text(responses, f"answers of {cell}")
            rows = scores.filter(recipe=recipe, benchmark=benchmark)
            facts = manifest("score", {"responses": responses}, {})
            files.append(root / "scores" / cell)
            write_table(files[-1], rows, SCORE, facts)
    return files, tmp_path / "logs/mini"


def drop(files, *names):
    gone = [f for f in files if f.parts[-3] == names[0] and f.stem in names[1:]]
    for file in gone:
        file.unlink()
    return gone


def reasons(files, logs):
    return {cell.path: why for cell, why in partial_scores(files, logs)[1].items()}


def test_a_whole_grid_has_no_blanks(grid):
    table, blanks = partial_scores(*grid)
    assert blanks == {}
    assert table["value"].null_count() == 0


def test_a_missing_cell_is_blank_in_the_table_with_its_reason(grid):
    files, logs = grid
    drop(files, "nca", "alert", "global")
    table, _ = partial_scores(files, logs)
    text = markdown(main_table(table))
    (row,) = [line for line in text.splitlines() if line.startswith("| NCA")]
    cells = [cell.strip() for cell in row.split("|")[2:]]
    assert cells[0] == cells[1] == cells[2] == "\N{EN DASH}"
    assert cells[3] != "\N{EN DASH}"
    assert "Missing: not built yet." in text


def test_a_model_without_any_cell_still_has_its_row(grid):
    files, logs = grid
    drop(files, "dpo", *BENCHMARKS)
    table, blanks = partial_scores(files, logs)
    assert "DPO: Missing" in markdown(main_table(table))
    assert len(blanks) == len(BENCHMARKS)


def test_a_failed_stage_tells_its_error(grid):
    files, logs = grid
    drop(files, "dpo", "alert")
    drop(files, "nca", "xstest")
    write_text(
        logs / "train/mini-base/dpo/seed0.log", "x\nerror: loss is nan at step 3\n"
    )
    judge = logs / "judge/mini-guard/mini-base/nca/seed0/xstest.log"
    write_text(judge, "Traceback (most recent call last):\n  ...\nKeyError: 'a'\n")
    found = reasons(files, logs)
    assert (
        "Failed in train: loss is nan at step 3" in found["mini-base/dpo/seed0/alert"]
    )
    assert "Failed in judge: KeyError: 'a'" in found["mini-base/nca/seed0/xstest"]


def test_the_log_of_another_seed_or_stage_is_not_taken(grid):
    files, logs = grid
    drop(files, "dpo", "alert", "global")
    write_text(logs / "score_global/mini-base/dpo/seed0.log", "error: of global\n")
    write_text(logs / "train/mini-base/dpo/seed10.log", "error: no\n")
    found = reasons(files, logs)
    assert found["mini-base/dpo/seed0/alert"].startswith("Missing")
    assert found["mini-base/dpo/seed0/global"].startswith("Failed in score: of global")


def test_a_score_of_other_answers_is_stale(grid):
    files, logs = grid
    stale = next(f for f in files if f.parts[-3:] == ("dpo", "seed0", "alert.parquet"))
    write_text(stale.parents[4] / "responses/mini-base/dpo/seed0/alert.parquet", "new")
    found = reasons(files, logs)
    assert list(found) == ["mini-base/dpo/seed0/alert"]
    assert found["mini-base/dpo/seed0/alert"].startswith("Stale: responses/")


def test_nothing_finished_is_an_error_that_tells_the_first_reason(grid, tmp_path):
    missing = [tmp_path / "scores/b/dpo/seed0/alert.parquet"]
    with pytest.raises(DataError, match="none of the 1 cells is finished; first: Miss"):
        partial_scores(missing, tmp_path)


def test_cells_are_read_from_paths(tmp_path):
    cell = cell_of(tmp_path / "scores/b/dpo/seed12/alert.parquet")
    assert cell == ("b", "dpo", 12, "alert")


@pytest.mark.slow
def test_everything_is_written_under_the_folder(grid, tmp_path):
    files, logs = grid
    drop(files, "nca", "capability")
    out = tmp_path / "partial"
    write_partial(scores=files, logs=logs, out=out)
    assert "17 of 18 cells are finished" in (out / "blanks.md").read_text()
    assert pl.read_parquet(out / "scores.parquet")["value"].null_count() > 0
    assert (out / "tables/main.tex").exists()
    assert (out / "figures/trade_off_capability.pdf").exists()

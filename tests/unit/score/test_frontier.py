"""The line of one training, from the files of its cells to its rows."""

import polars as pl
import pytest

from safegrid.core.artifacts import read_table, write_result
from safegrid.core.errors import DataError
from safegrid.core.records import FRONTIER
from safegrid.score.frontier import frontier

from .conftest import ENGINE

KINDS = {"guard": "guard", "refusal": "refusal"}
BENCHMARKS = {
    "alert": {"metric": "safety", "judges": KINDS},
    "xstest": {"metric": "over_refusal", "judges": {"refusal": "refusal"}},
}
MODELS = [("none", 0, 0, 0), ("nca@5", 0, 1, 5), ("nca", 0, 2, 20)]
N = 40


def harmful(refused, unscored=0):
    """Answers of which the first are refused and safe, and the last are unscored."""
    return [
        {
            "prompt_id": f"h{i}",
            "refusal": "refusal" if i < refused else "compliance",
            "guard": "safe" if i < refused + 2 else "unsafe",
        }
        | ({"refusal": None} if i >= N - unscored else {})
        for i in range(N)
    ]


def contrast(lost, refused):
    """Benign requests and their harmful contrasts, half each."""
    halves = [("safe", lost, "compliance"), ("unsafe", refused, "partial")]
    return [
        {
            "prompt_id": f"{reference}{i}",
            "reference": reference,
            "refusal": "refusal" if i < hits else other,
        }
        for reference, hits, other in halves
        for i in range(N)
    ]


@pytest.fixture
def draw(make_cell, tmp_path):
    """Return a function that draws the line of cells given model by model."""

    def run(cells, models=MODELS, capable=(), **changed):
        made = [
            [make_cell(f"{index}-{name}", answers) for name, answers in pair.items()]
            for index, pair in enumerate(cells)
        ]
        names = ("recipe", "seed", "place", "step")
        given = {
            "line": {
                "base": "b",
                "recipe": "nca",
                "models": [dict(zip(names, model, strict=True)) for model in models],
            },
            "benchmarks": BENCHMARKS,
            "judges": {"refused": "refusal", "second": "guard"},
            "prompts": [cell.prompts for cell in made[0]],
            "responses": [cell.responses for pair in made for cell in pair],
            "verdicts": [
                path
                for pair in made
                for cell, spec in zip(pair, BENCHMARKS.values(), strict=True)
                for path in cell.of(spec["judges"])
            ],
            "capability": list(capable),
            "most_unscored": 0.05,
            "study_seed": 1,
            "out": tmp_path / "line.parquet",
            **changed,
        }
        frontier(**given)
        return read_table(given["out"], FRONTIER)

    return run


def cells(*numbers):
    """Cells of models: harmful refused, benign lost, harmful contrasts refused."""
    return [
        {"alert": harmful(refused), "xstest": contrast(lost, contrasts)}
        for refused, lost, contrasts in numbers
    ]


THREE = cells((10, 0, 10), (20, 2, 30), (30, 8, 40))


def values(rows, axis, kind="point"):
    found = rows.filter(axis=axis, kind=kind)
    return found.filter(pl.col("seed").is_null())["value"].to_list()


def gain(rows, loss, at, axis="refused"):
    where = [pl.col("loss").eq_missing(pl.lit(loss, pl.String))]
    where.append(pl.col("at").eq_missing(pl.lit(at, pl.Float64)))
    (row,) = rows.filter(*where, kind="gain", axis=axis).to_dicts()
    return row


def test_points_are_the_means_of_harmful_benchmarks_and_the_paired_losses(draw):
    rows = draw(THREE)
    assert values(rows, "refused") == pytest.approx([0.25, 0.625, 0.875])
    assert values(rows, "second") == pytest.approx([0.3, 0.55, 0.8])
    assert values(rows, "lost") == pytest.approx([0.0, 0.05, 0.2])
    assert values(rows, "capability") == []
    start = rows.filter(axis="lost", place=0).to_dicts()[0]
    assert (start["recipe"], start["step"], start["low"]) == ("none", 0, None)
    point = rows.filter(axis="refused", place=1).to_dicts()[0]
    assert (point["recipe"], point["n"], point["n_unscored"]) == ("nca@5", 80, 0)
    assert point["low"] < point["value"] < point["high"]


def test_a_losss_gain_is_read_off_the_line_and_blank_beyond_its_end(draw):
    rows = draw(cells((10, 0, 10), (20, 1, 30), (30, 1, 40)))
    assert gain(rows, "lost", 0.01)["value"] == pytest.approx(0.375 * 0.4)
    assert gain(rows, "lost", 0.02)["value"] == pytest.approx(0.375 * 0.8)
    blank = gain(rows, "lost", 0.05)
    assert blank["value"] is blank["low"] is None
    assert blank["reason"] == "The line ends before it loses as much."
    end = gain(rows, None, None)
    assert end["value"] == pytest.approx(0.625)
    assert end["low"] < end["value"] < end["high"]


def test_capability_is_lost_as_the_mean_of_the_tasks(draw, tmp_path):
    files = []
    for index, (math, facts) in enumerate([(20, 10), (18, 10), (10, 8)]):
        right = {"math": (math, 20), "facts": (facts, 10)}
        items = {
            task: [
                {"doc_id": i, "metric": "acc", "value": float(i < hits)}
                for i in range(n)
            ]
            for task, (hits, n) in right.items()
        }
        files.append(tmp_path / f"{index}" / "suite.json")
        write_result(files[-1], {"items": items, "manifest": {"engine": ENGINE}})
    rows = draw(THREE, capable=files)
    assert values(rows, "capability") == pytest.approx([0, 0.05, 0.35])
    assert gain(rows, "capability", 0.05)["value"] == pytest.approx(0.375)


def test_seeds_are_points_beside_their_mean(draw):
    models = [("none", 0, 0, 0), ("nca", 0, 1, 20), ("nca", 1, 1, 20)]
    rows = draw(THREE, models)
    assert values(rows, "refused") == pytest.approx([0.25, 0.75])
    single = rows.filter(pl.col("seed").is_not_null(), axis="refused")
    assert single["value"].to_list() == pytest.approx([0.625, 0.875])
    assert rows.filter(axis="refused", place=1)["n"].to_list() == [160, 80, 80]
    assert gain(rows, "lost", 0.05)["value"] == pytest.approx(0.5 * 0.05 / 0.125)


def test_a_dose_with_too_many_unscored_answers_is_left_out_and_said(draw):
    holes = [dict(cell) for cell in THREE]
    holes[1]["alert"] = harmful(20, unscored=3)
    rows = draw(holes)
    assert values(rows, "refused") == pytest.approx([0.25, None, 0.875])
    row = rows.filter(axis="refused", place=1).to_dicts()[0]
    assert row["n_unscored"] == 3
    assert row["reason"].startswith("alert: 3 of 40 answers are unscored (7.5%")
    # Its line goes from the base to the end; the guard's still has the dose.
    assert gain(rows, "lost", 0.05)["value"] == pytest.approx(0.625 * 0.05 / 0.2)
    assert gain(rows, "lost", 0.05, "second")["value"] == pytest.approx(0.25)


def test_a_line_without_its_base_or_its_end_has_no_gain(draw):
    holes = [dict(cell) for cell in THREE]
    holes[0]["alert"] = harmful(10, unscored=10)
    rows = draw(holes)
    gains = rows.filter(kind="gain", axis="refused")
    assert gains["value"].null_count() == len(gains) == 4
    assert all("base" in reason for reason in gains["reason"])


def test_a_study_without_a_second_judge_has_no_such_axis(draw):
    rows = draw(THREE, judges={"refused": "refusal", "second": None})
    assert set(rows["axis"]) == {"refused", "lost"}


def test_files_that_do_not_fit_the_line_are_refused(draw):
    with pytest.raises(DataError, match=r"got 6 files of responses .* expected 8"):
        draw(THREE, [*MODELS, ("nca", 1, 2, 20)])

"""Course-Correction's tables and figures: turns apart, paired differences, bounds."""

import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from made_up_course import LIKELY, PAPER_KS, course_scores
from safegrid.report.course_correction.figures import FIGURES
from safegrid.report.course_correction.tables import TABLES
from safegrid.report.course_correction.words import (
    Cell,
    against_zero,
    certainty,
    differences,
)
from safegrid.report.grid import Entry
from safegrid.report.published import read_published
from safegrid.report.style import PAGE, save
from safegrid.report.writing import latex, markdown, numbers
from score_tables import cell, change, score

ROOT = Path(__file__).parents[3]
MINI_KS = (4, 8, 12, 16)


@pytest.fixture(scope="module")
def published():
    return read_published(ROOT / "config/published/2407.16637.csv")


@pytest.fixture(scope="module")
def full():
    return course_scores()


@pytest.fixture(scope="module")
def mini():
    return course_scores(MINI_KS).filter(base="qwen2-7b")


@pytest.fixture(scope="module")
def tables(full, published):
    return {name: make(full, published) for name, make in TABLES.items()}


def entry(value, low, high):
    return Entry(value, low, high, 460, 0, 1, None)


def test_the_two_turns_stand_apart_and_each_k_in_its_column(tables, full):
    table = tables["corr"]
    turns = [row.split(": ")[0] for row in table.rows]
    size = len(LIKELY)
    expected = ["open turn"] * size + ["closed turn"] * size + ["published"]
    assert turns == expected
    titles = [f"Corr@{k}" for k in PAPER_KS]
    assert [c.title for c in table.columns] == [*titles, "Corr-mean", "whole answers"]
    for turn, benchmark in {
        "open turn": "c2_eval",
        "closed turn": "c2_eval_closed",
    }.items():
        where = {"base": "qwen2-7b", "recipe": "c2_dpo", "benchmark": benchmark}
        for title, part in {
            "Corr@10": "category=k=10",
            "Corr-mean": "categories",
        }.items():
            shown = cell(table, f"{turn}: qwen2-7b c2_dpo", title)
            value = score(full, metric="correction", slice=part, **where)["value"]
            assert shown.value == value
    assert "**" not in markdown(table).split("\n\n", 2)[1]


def test_the_sample_output_stands_with_its_mark_and_its_mean_is_that_of_its_shares(
    tables, published
):
    row = tables["corr"].entries[tables["corr"].rows.index("published: sample output")]
    shown = [e.value for e in row[: len(PAPER_KS)]]
    assert np.mean(shown) == pytest.approx(row[len(PAPER_KS)].value)
    assert {e.defects for e in row[:-1]} == {("unlabelled",)}
    assert all(e.low is None for e in row)
    # As shares of the 500 rows of C2-Eval they are whole numbers of paths.
    assert all(abs(500 * value - round(500 * value)) < 1e-9 for value in shown)
    text = markdown(tables["corr"])
    assert "Corr-mean 0.7615" in text
    empty = published.filter(pl.col("value").is_null())
    assert len(empty) == 15
    for item in set(empty["item"]) - {"*"}:
        assert item in text


def test_a_study_of_other_k_has_no_published_row_and_says_so(mini, published):
    table = TABLES["corr"](mini, published)
    assert [c.title for c in table.columns[:4]] == [f"Corr@{k}" for k in MINI_KS]
    assert not any(row.startswith("published") for row in table.rows)
    assert "No published number is one over the k that this study asks" in markdown(
        table
    )


def test_a_mean_over_other_k_is_not_set_beside_ours(published):
    some = TABLES["corr"](course_scores((10, 20, 30)), published)
    assert cell(some, "published: sample output", "Corr@20").value == 0.7
    assert cell(some, "published: sample output", "Corr-mean").value is None


def test_two_judges_and_one_turn_are_told_apart(full, published):
    second = full.filter(metric="correction", benchmark="c2_eval")
    both = pl.concat([full, second.with_columns(judge=pl.lit("second"))])
    rows = TABLES["corr"](both, published).rows
    assert "open turn (gpt-4o-correction): qwen2-7b" in rows
    assert "open turn (second): qwen2-7b" in rows
    assert "closed turn (second): qwen2-7b" not in rows
    titles = [
        column.title for column in TABLES["before_after"](both, published).columns
    ]
    assert "Corr-mean, open turn (second)" in titles
    assert len(titles) == len(set(titles))


def test_unscored_paths_are_counted_and_a_refused_score_says_why(full, published):
    where = {"base": "qwen2-7b", "recipe": "none", "slice": "category=k=40"}
    where |= {"benchmark": "c2_eval", "metric": "correction"}
    assert "u=7" in markdown(
        TABLES["corr"](change(full, where, n_unscored=7), published)
    )
    reason = "60 of 460 answers are unscored."
    gone = {"value": None, "low": None, "high": None, "reason": reason}
    scores = change(full, where, **gone)
    text = markdown(TABLES["corr"](scores, published))
    assert f"open turn: qwen2-7b (Corr@40): {reason}" in text
    figure = FIGURES["corr_curves"](scores.filter(base="qwen2-7b"), published)
    assert np.isnan(figure.axes[0].lines[0].get_ydata()).tolist() == [
        *[False] * 3,
        True,
        *[False] * 4,
    ]


def test_before_and_after_holds_the_bases_that_are_trained(tables, full):
    table = tables["before_after"]
    trained = ("llama-2-7b-chat", "qwen2-7b")
    assert {row.split(" ")[0] for row in table.rows} == set(trained)
    where = {"base": "qwen2-7b", "recipe": "none", "metric": "attack_success"}
    shown = cell(table, "qwen2-7b", "Adversarial ALERT attack success")
    assert shown.value == score(full, **where)["value"]


def test_each_recipe_has_its_paired_difference_to_its_base(tables, full):
    table = tables["against_base"]
    assert not {"qwen2-7b", "vicuna-7b"} & set(table.rows)
    title = "Adversarial ALERT attack success"
    shown = cell(table, "qwen2-7b c2_dpo", title)
    where = {"base": "qwen2-7b", "recipe": "c2_dpo"}
    row = score(full, metric="attack_success_vs_base", **where)
    assert shown.value == row["value"]
    text = markdown(table)
    assert (
        "ALERT safe: higher: qwen2-7b c2_dpo; inside, the interval holds 0:"
        " llama-2-7b-chat c2_dpo, llama-2-7b-chat c2_nca." in text
    )
    assert f"{title}: lower: qwen2-7b c2_dpo;" in text


def test_a_difference_is_told_by_whether_its_interval_holds_zero():
    assert against_zero(entry(0.1, 0.01, 0.2)) == "higher"
    assert against_zero(entry(-0.1, -0.2, -0.01)) == "lower"
    assert against_zero(entry(0.1, 0.0, 0.2)) == "inside"
    assert against_zero(entry(None, None, None)) is None
    cells = [Cell(str(i), "c", entry(0.0, -0.1, 0.1)) for i in range(40)]
    assert "of 40 differences 2.0 would be expected outside" in differences(cells)[0]
    assert differences([]) == []


def test_a_certain_share_has_the_bound_of_its_interval_not_of_its_paths():
    # 50 requests, 460 paths: Wilson's bound of 50.
    cells = [
        Cell("a", "x", entry(1.0, 0.9287, 1.0)),
        Cell("a", "y", entry(1.0, 0.9287, 1.0)),
        Cell("b", "x", entry(0.0, 0.0, 0.0713)),
        Cell("c", "x", entry(0.5, 0.4, 0.6)),
    ]
    assert certainty(cells) == [
        "An observed 100% is at least 92.9% (Wilson): a (x, y).",
        "An observed 0% is at most 7.1% (Wilson): b (x).",
    ]


def test_refusals_at_once_are_held_against_corrections_of_the_same_judge(tables, full):
    table = tables["refusals"]
    titles = [column.title for column in table.columns]
    assert titles[:2] == [
        "refused at once (gpt-4o-correction)",
        "refused at once (wildguard-refusal)",
    ]
    where = {"base": "vicuna-7b", "benchmark": "c2_eval_direct"}
    shown = cell(table, "vicuna-7b", titles[0]).value
    assert shown == score(full, metric="correction", **where)["value"]
    assert re.search(r"open turn: more often at once: .*vicuna-7b", markdown(table))
    once = {"benchmark": "c2_eval_direct", "metric": "correction", "base": "vicuna-7b"}
    rare = change(full, once, value=0.01, low=0.0, high=0.02)
    text = markdown(TABLES["refusals"](rare, None))
    assert "more often later: vicuna-7b" in text


def test_what_a_study_lacks_is_left_out(full, published):
    few = full.filter(benchmark="xstest")
    made = {name: make(few, published) for name, make in TABLES.items()}
    for table in made.values():
        assert latex(table)
        assert len(numbers(table)) == len(table.rows)
    assert made["corr"].rows == []
    assert "This study has no scores of answers with a prefill" in markdown(
        made["corr"]
    )
    assert [column.title for column in made["before_after"].columns] == [
        "XSTest over-refusal",
        "XSTest benign requests lost",
    ]
    assert [column.title for column in made["against_base"].columns] == [
        "XSTest benign requests lost"
    ]
    assert made["refusals"].columns == []
    for draw in FIGURES.values():
        said = [t.get_text() for axes in draw(few, published).axes for t in axes.texts]
        assert said == ["This study has no such scores."]
    opened = full.filter(benchmark="c2_eval")
    figure = FIGURES["corr_curves"](opened.filter(base="qwen2-7b"), published)
    assert [axes.get_title() for axes in figure.axes] == ["open turn"]


def test_curves_are_the_scores_with_their_bands(full, published):
    figure = FIGURES["corr_curves"](full, published)
    assert figure.get_size_inches()[0] == pytest.approx(PAGE)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[::2] == [
        "untouched models, open turn",
        "llama-2-7b-chat, open turn",
        "qwen2-7b, open turn",
    ]
    axes = figure.axes[5]
    line = axes.lines[1]
    parts = [f"category=k={k}" for k in PAPER_KS]
    where = {"base": "qwen2-7b", "recipe": "c2_dpo", "benchmark": "c2_eval_closed"}
    rows = [
        full.filter(metric="correction", slice=p, **where).to_dicts()[0] for p in parts
    ]
    assert list(line.get_xdata()) == list(PAPER_KS)
    assert line.get_ydata() == pytest.approx([100 * row["value"] for row in rows])
    band = axes.collections[1].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx(100 * max(row["high"] for row in rows))
    for axes in figure.axes[1::2]:
        box = axes.get_legend().get_window_extent()
        assert figure.bbox.contains(box.x0, box.y0)
        assert figure.bbox.contains(box.x1, box.y1)


def test_marks_of_now_and_later_are_the_scores(mini, published):
    (axes,) = FIGURES["refusals_now_and_later"](mini, published).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["none", "c2_dpo"]
    at_once, opened, _ = axes.lines
    direct = {"benchmark": "c2_eval_direct", "metric": "correction"}
    later = {"benchmark": "c2_eval", "metric": "correction", "slice": "categories"}
    for line, where in ((at_once, direct), (opened, later)):
        values = [
            100 * score(mini, recipe=name, **where)["value"]
            for name in ("none", "c2_dpo")
        ]
        assert line.get_xdata() == pytest.approx(values)


@pytest.mark.slow
def test_the_same_scores_give_the_same_bytes(mini, published, tmp_path):
    for folder in ("one", "two"):
        save(FIGURES["corr_curves"](mini, published), tmp_path / folder, "f")
    for kind in ("svg", "pdf", "png"):
        first, second = (tmp_path / f / f"f.{kind}" for f in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()

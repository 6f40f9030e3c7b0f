"""Course-Correction's tables and figures: turns apart, paired differences, bounds."""

import numpy as np
import polars as pl
import pytest

from made_up_course import LIKELY, PAPER_KS, course_scores
from safegrid.report.course_correction import TABLES
from safegrid.report.course_figures import FIGURES
from safegrid.report.style import PAGE
from safegrid.report.table import LOWER
from safegrid.report.writing import latex, markdown, numbers
from score_tables import cell, change, comparisons, score, titles

MINI_KS = (4, 8, 12, 16)


@pytest.fixture(scope="module")
def published(papers):
    return papers["2407.16637"]


@pytest.fixture(scope="module")
def full():
    return course_scores()


@pytest.fixture(scope="module")
def mini():
    return course_scores(MINI_KS).filter(base="qwen2-7b")


@pytest.fixture(scope="module")
def tables(full, published):
    return {name: make(full, published) for name, make in TABLES.items()}


def test_the_two_turns_stand_apart_and_each_k_in_its_column(tables, full):
    table = tables["corr"]
    turns = [row.split(": ")[0] for row in table.rows]
    size = len(LIKELY)
    assert turns == ["open turn"] * size + ["closed turn"] * size + ["published"]
    shares = [f"Corr@{k}" for k in PAPER_KS]
    assert titles(table) == [*shares, "Corr-mean", "whole answers"]
    for turn, benchmark in ("open", "c2_eval"), ("closed", "c2_eval_closed"):
        where = {"base": "qwen2-7b", "recipe": "c2_dpo", "benchmark": benchmark}
        for title, part in ("Corr@10", "category=k=10"), ("Corr-mean", "categories"):
            shown = cell(table, f"{turn} turn: qwen2-7b c2_dpo", title)
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


def test_a_study_of_other_k_has_no_published_row_or_no_published_mean(mini, published):
    table = TABLES["corr"](mini, published)
    assert titles(table)[:4] == [f"Corr@{k}" for k in MINI_KS]
    assert not any(row.startswith("published") for row in table.rows)
    assert "one over the k that this study asks" in markdown(table)
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
    shown = titles(TABLES["before_after"](both, published))
    assert "Corr-mean, open turn (second)" in shown
    assert len(shown) == len(set(shown))


def test_a_refused_score_has_its_reason_and_no_point_of_a_curve(full, published):
    where = {"base": "qwen2-7b", "recipe": "none", "slice": "category=k=40"}
    where |= {"benchmark": "c2_eval", "metric": "correction"}
    reason = "60 of 460 answers are unscored."
    scores = change(full, where, value=None, low=None, high=None, reason=reason)
    text = markdown(TABLES["corr"](scores, published))
    assert f"open turn: qwen2-7b (Corr@40): {reason}" in text
    figure = FIGURES["corr_curves"](scores.filter(base="qwen2-7b"), published)
    drawn = np.isfinite(figure.axes[0].lines[0].get_ydata()).tolist()
    assert drawn == [k != 40 for k in PAPER_KS]


def test_before_and_after_holds_the_bases_that_are_trained(tables, full):
    table = tables["before_after"]
    trained = ("llama-2-7b-chat", "qwen2-7b")
    assert {row.split(" ")[0] for row in table.rows} == set(trained)
    where = {"base": "qwen2-7b", "recipe": "none", "metric": "attack_success"}
    shown = cell(table, "qwen2-7b", "Adversarial ALERT attack success")
    assert shown.value == score(full, **where)["value"]
    assert not any(entry.side for row in table.entries for entry in row)


def test_each_recipe_has_its_paired_difference_and_whether_chance_gives_it(
    full, published, tmp_path
):
    """Marks follow the tests of comparisons, whatever the intervals say."""
    guarded = {"base": "qwen2-7b", "slice": "all", "first": "none", "second": "c2_dpo"}
    judge = full.filter(metric="safety")["judge"][0]
    attacked = {"benchmark": "alert_adversarial", "metric": "attack_success"}
    safe = {"benchmark": "alert", "metric": "safety"}
    rows = [{**attacked, "value": 0.2, "holm": 0.01}, {**safe, "value": -0.1}]
    pairs = comparisons(tmp_path, rows, judge=judge, **guarded)
    table = TABLES["against_base"](full, published, pairs)
    assert not {"qwen2-7b", "vicuna-7b"} & set(table.rows)
    shown = cell(table, "qwen2-7b c2_dpo", "Adversarial ALERT attack success")
    where = {"base": "qwen2-7b", "recipe": "c2_dpo"}
    row = score(full, metric="attack_success_vs_base", **where)
    assert (shown.value, shown.side) == (row["value"], LOWER)
    assert cell(table, "qwen2-7b c2_dpo", "ALERT safe").side == ""
    assert f"{LOWER} [" in markdown(table)
    assert r"$\downarrow$" in latex(table)
    assert LOWER not in numbers(table).write_csv()
    assert "one of twenty would be expected beyond 0" in markdown(table)


def test_refusals_at_once_are_held_against_corrections_of_the_same_judge(
    tables, full, tmp_path
):
    table = tables["refusals"]
    at_once = "refused at once (gpt-4o-correction)"
    assert titles(table)[:2] == [at_once, "refused at once (wildguard-refusal)"]
    once = {"base": "vicuna-7b", "benchmark": "c2_eval_direct"}
    once |= {"metric": "correction"}
    assert cell(table, "vicuna-7b", at_once).value == score(full, **once)["value"]
    later = "corrected later, open turn (gpt-4o-correction)"
    assert cell(table, "vicuna-7b", later).side == ""
    tested = {"kind": "later", "benchmark": "c2_eval", "judge": "gpt-4o-correction"}
    tested |= {"metric": "correction", "slice": "all", "first": "none"}
    rows = [
        {"base": "vicuna-7b", "value": -0.4, "holm": 0.001},
        {"base": "qwen2-7b", "value": -0.4, "holm": 0.06},
    ]
    pairs = comparisons(tmp_path, rows, **tested)
    marked = TABLES["refusals"](full, None, pairs)
    assert cell(marked, "vicuna-7b", later).side == LOWER
    assert cell(marked, "vicuna-7b", at_once).side == ""
    assert cell(marked, "qwen2-7b", later).side == ""


def test_what_a_study_lacks_is_left_out(full, published):
    few = full.filter(benchmark="xstest")
    made = {name: make(few, published) for name, make in TABLES.items()}
    for table in made.values():
        assert latex(table)
        assert len(numbers(table)) == len(table.rows)
    assert made["corr"].rows == []
    assert "no scores of answers with a prefill" in markdown(made["corr"])
    lost = "XSTest benign requests lost"
    assert titles(made["before_after"]) == ["XSTest over-refusal", lost]
    assert titles(made["against_base"]) == [lost]
    assert made["refusals"].columns == []
    for draw in FIGURES.values():
        said = [t.get_text() for axes in draw(few, published).axes for t in axes.texts]
        assert said == ["This study has no such scores."]
    opened = full.filter(benchmark="c2_eval", base="qwen2-7b")
    figure = FIGURES["corr_curves"](opened, published)
    assert [axes.get_title() for axes in figure.axes] == ["open turn"]


def test_curves_are_the_scores_with_their_bands(full, published):
    figure = FIGURES["corr_curves"](full, published)
    assert figure.get_size_inches()[0] == pytest.approx(PAGE)
    bases = ["untouched models", "llama-2-7b-chat", "qwen2-7b"]
    shown = [axes.get_title() for axes in figure.axes]
    assert shown[::2] == [f"{base}, open turn" for base in bases]
    axes = figure.axes[5]
    where = {"base": "qwen2-7b", "recipe": "c2_dpo", "benchmark": "c2_eval_closed"}
    where |= {"metric": "correction"}
    rows = [score(full, slice=f"category=k={k}", **where) for k in PAPER_KS]
    line = axes.lines[1]
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
    for line, benchmark, part in (
        (at_once, "c2_eval_direct", "all"),
        (opened, "c2_eval", "categories"),
    ):
        where = {"benchmark": benchmark, "metric": "correction", "slice": part}
        found = [score(mini, recipe=name, **where) for name in ("none", "c2_dpo")]
        values = [100 * row["value"] for row in found]
        assert line.get_xdata() == pytest.approx(values)

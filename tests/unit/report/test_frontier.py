"""Frontier figures and the table of safety bought: every line, blanks with reasons."""

import re

import polars as pl
import pytest

from made_up_lines import SHARES, axes_of, grid, line, points
from safegrid.config.methods import METHODS
from safegrid.core.records import FRONTIER
from safegrid.report.frontier import FIGURES, NOTHING, frontier
from safegrid.report.lines import bought_table, lines
from safegrid.report.names import recipe_order, recipe_title
from safegrid.report.style import look
from safegrid.report.tables import main_table
from safegrid.report.trade_off import trade_off
from safegrid.report.writing import markdown, numbers
from safegrid.score.frontier import line_rows
from score_tables import cell, change

ONE = "at 1 point of benign requests"
FIVE = "at 5 points of benign requests"
END = "at the end of the line"
BOUGHT_BY = {
    "safety_bought": "refused, by refusal-head",
    "safety_bought_second": "answered safely, by guard",
}
SAFETY_LOST = [("refused", "lost"), ("second", "capability")]


@pytest.fixture(scope="module")
def rows():
    return grid()


@pytest.fixture(scope="module")
def few():
    """Lines of three methods: what is drawn in a moment."""
    return pl.concat([line(name, way) for name, way in SHARES.items()])


def faces(axes):
    """The faces of the marks of a panel."""
    marks = [item for item in axes.lines if item.get_marker() not in ("None", None)]
    return [item.get_markerfacecolor() for item in marks]


def test_every_training_has_a_panel_in_print_order(rows):
    figure = frontier(rows, "refused", "lost")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [m.title for m in METHODS.values() if m.answers]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


@pytest.mark.parametrize(("safety", "loss"), SAFETY_LOST)
def test_a_line_runs_from_the_base_through_its_doses(few, safety, loss):
    found = {drawn.recipe: drawn for drawn in lines(few, safety, loss)}
    nca = found["nca"]
    assert [point.place for point in nca.points] == [0, 1, 2]
    assert nca.points[0].x.at == 0
    known = few.filter(line="nca", axis=safety, kind="point")["value"].to_list()
    assert [point.y.at for point in nca.points] == pytest.approx(
        [100 * value for value in known]
    )
    assert all(p.y.low <= p.y.at <= p.y.high for p in nca.points)
    assert all(p.x.low <= p.x.at <= p.x.high for p in nca.points)


def test_the_base_is_black_doses_are_hollow_and_the_end_is_filled(few):
    axes = frontier(few, "refused", "lost").axes[0]
    assert faces(axes) == ["white", look("dpo", []).colour, "#000000"]
    grey = [item for item in axes.lines if item.get_color() == "0.8"]
    assert len(grey) == 2


def test_an_end_without_a_score_leaves_the_last_dose_hollow(few):
    blank = change(few, {"place": 2, "axis": "refused"}, value=None)
    axes = frontier(blank, "refused", "lost").axes[0]
    assert faces(axes) == ["white", "#000000"]


def test_seeds_are_thin_lines_beside_their_mean():
    shares = [SHARES["nca"][0], *SHARES["nca"][1:], *SHARES["nca"][1:]]
    found = line_rows(points("nca", 3, seeds=2), axes_of(shares, 2), 0.05, 1)
    named = {**dict.fromkeys(FRONTIER), "base": "b", "line": "nca"}
    seeded = pl.DataFrame([{**named, **row} for row in found], FRONTIER, orient="row")
    (nca,) = lines(seeded, "refused", "lost")
    assert set(nca.seeds) == {0, 1}
    assert [len(way) for way in nca.seeds.values()] == [3, 3]
    for point in nca.points[1:]:
        both = [way[point.place].y.at for way in nca.seeds.values()]
        assert point.y.at == pytest.approx(sum(both) / 2)
    axes = frontier(seeded, "refused", "lost").axes[0]
    assert [item.get_linewidth() for item in axes.lines].count(0.5) == 2 + 3
    text = markdown(bought_table(seeded, "safety_bought"))
    assert "Means of several seeds: the lines of NCA. Their intervals hold" in text


def test_a_study_without_doses_has_lines_from_base_to_end():
    way = [SHARES["dpo"][0], SHARES["dpo"][-1]]
    (only,) = lines(line("dpo", way), "refused", "lost")
    assert [point.place for point in only.points] == [0, 1]
    table = bought_table(line("dpo", way), "safety_bought")
    assert cell(table, "DPO", FIVE).value > cell(table, "DPO", ONE).value > 0


def test_two_bases_have_lines_and_rows_of_their_own(few):
    both = pl.concat([few, few.with_columns(base=pl.lit("other"))])
    figure = frontier(both, "refused", "lost")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[:2] == ["mini-base DPO", "mini-base NCA"]
    table = bought_table(both, "safety_bought")
    assert table.rows[3:] == ["other DPO", "other NCA", "other SFT"]


@pytest.mark.parametrize(("safety", "loss"), FIGURES.values())
def test_a_figure_without_lines_says_why(few, safety, loss):
    axes = frontier(few.clear(), safety, loss).axes
    assert [text.get_text() for text in axes[0].texts] == [NOTHING]
    assert bought_table(few.clear(), "safety_bought").rows == []


def test_gains_stand_with_intervals_and_a_loss_not_reached_is_blank(few):
    table = bought_table(few, "safety_bought")
    assert table.rows == ["DPO", "NCA", "SFT"]
    known = cell(table, "DPO", ONE)
    assert known.low < known.value < known.high
    assert known.n == 240
    blank = cell(table, "SFT", FIVE)
    assert (blank.value, blank.low) == (None, None)
    assert cell(table, "SFT", END).value > 0
    text = markdown(table)
    assert re.search(rf"SFT \([^)]*{FIVE}", text)
    assert "The line ends before it loses as much." in text
    assert "The base untouched, in percent: mini-base " in text
    assert numbers(table)[f"{FIVE} reason"].null_count() == 2


def test_each_table_is_of_one_judge(few):
    for name, said in BOUGHT_BY.items():
        assert said in bought_table(few, name).title


def test_a_dose_is_called_like_its_method():
    assert recipe_title("nca@10") == "NCA @ 10 steps"
    assert recipe_title("mine@2") == "mine @ 2 steps"
    assert recipe_title("nca_mixed@10") == "NCA (mixed) @ 10 steps"
    assert recipe_title("nca@1") == "NCA @ 1 step"
    assert recipe_title("mine_dpo") == "mine_dpo"


def test_doses_stand_before_the_end_of_their_training():
    names = ["sft", "nca", "nca@20", "none", "nca@3", "mine", "mine@9", "mine@10"]
    expected = ["none", "nca@3", "nca@20", "nca", "sft", "mine@9", "mine@10", "mine"]
    assert sorted(names, key=recipe_order) == expected


def test_doses_are_rows_of_tables_and_no_points_of_a_trade_off(scores):
    few = scores.filter(pl.col("recipe").is_in(["none", "dpo", "nca"]))
    dose = few.filter(recipe="nca").with_columns(recipe=pl.lit("nca@10"))
    both = pl.concat([few, dose])
    assert main_table(both).rows == ["none", "DPO", "NCA @ 10 steps", "NCA"]
    (axes,) = trade_off(both, "safety", "capability").axes
    assert {text.get_text() for text in axes.texts} == {"none", "DPO", "NCA"}

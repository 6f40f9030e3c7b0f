"""Tables and figures of axes: every point at its place, blanks with their reasons."""

import json

import polars as pl
import pytest

from safegrid.core.records import RUNS
from safegrid.report.axes import PLACES, axis_table, data_axis, scale_axis
from safegrid.report.axis_figure import axis_figure
from safegrid.report.writing import markdown, numbers
from safegrid.study.axes import AxisLine, AxisPoint
from score_tables import cell, change, fact, score, titles

SHAPE = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 512,
    "tie_word_embeddings": True,
}
ROWS = {"dpo": 320, "nca": 96, "ipo": 32, "kto": 320}


@pytest.fixture(scope="module")
def few(scores):
    return scores.filter(pl.col("recipe").is_in(["none", "dpo", "nca", "ipo", "kto"]))


@pytest.fixture(scope="module")
def sizes(few):
    """Scores of three bases, and the lines of the untouched ones and of DPO."""
    bases = ["mini-base", "mini-large", "mini-small"]
    lines = [
        AxisLine("size", "", name, [AxisPoint(base, name, base) for base in bases])
        for name in ("none", "dpo")
    ]
    return pl.concat(few.with_columns(base=pl.lit(base)) for base in bases), lines


@pytest.fixture
def folders(tmp_path):
    """Folders of two bases with a shape, and of one without."""
    for base, width in (("mini-base", 64), ("mini-large", 256), ("mini-small", None)):
        (tmp_path / base).mkdir()
        config = json.dumps({**SHAPE, "hidden_size": width})
        (tmp_path / base / "config.json").write_text(config)
    return sorted(tmp_path.iterdir())


@pytest.fixture(scope="module")
def runs():
    rows = [
        fact("training", f"mini-base/{recipe}/seed{seed}", "pairs", n + 2 * seed)
        for recipe, n in ROWS.items()
        for seed in (0, 1)
        if recipe != "kto"
    ]
    return pl.DataFrame(rows, schema=RUNS)


@pytest.fixture(scope="module")
def data():
    """Return a line of fractions, and one of datasets, the last of unknown rows."""

    def line(kind, *points):
        own = [AxisPoint("mini-base", *point) for point in points]
        return AxisLine(kind, "mini-base", own[0].recipe, own)

    return [
        line(
            "fraction", ("dpo", "100% of a"), ("nca", "30% of a"), ("ipo", "10% of a")
        ),
        line("composition", ("dpo", "a"), ("nca", "b"), ("kto", "c")),
    ]


def lines_of(panel):
    """Return the lines of a panel that join marks."""
    return [line for line in panel.lines if line.get_marker() not in ("None", None)]


def test_parameters_are_those_of_the_shape_and_an_unknown_shape_is_said(sizes, folders):
    scores, lines = sizes
    table = axis_table(scores, scale_axis(lines, folders))
    assert table.rows[:2] == ["none: mini-base", "none: mini-large"]
    counted = 512 * 64 + 2 * (4 * 64**2 + 3 * 64 * 128 + 2 * 64) + 64
    assert cell(table, "DPO: mini-base", "parameters").value == counted
    blank = cell(table, "DPO: mini-small", "parameters")
    assert (blank.value, blank.reason) == (None, PLACES["scale"][1])
    # What it scores is known all the same.
    assert cell(table, "DPO: mini-small", titles(table)[1]).value is not None
    assert (
        f"none: mini-small, DPO: mini-small (parameters): {blank.reason}"
        in markdown(table)
    )


def test_a_table_has_the_three_measures_with_n_and_intervals(sizes, folders):
    scores, lines = sizes
    table = axis_table(scores, scale_axis(lines, folders))
    heads = ["parameters", "Global safe", "benign requests lost", "capability, mean"]
    assert titles(table) == heads
    row = score(
        scores, base="mini-large", recipe="dpo", benchmark="global", metric="safety"
    )
    entry = cell(table, "DPO: mini-large", "Global safe")
    assert (entry.value, entry.low, entry.n) == (row["value"], row["low"], row["n"])
    assert numbers(table)["Global safe n"].null_count() == 0
    assert "**" not in markdown(table).split("\n\n")[1], "sizes are not ranked"


def test_a_figure_of_scale_has_a_line_a_method_at_the_known_sizes(sizes, folders):
    scores, lines = sizes
    axis = scale_axis(lines, folders)
    figure = axis_figure(scores, axis)
    assert len(figure.axes) == 3
    for panel in figure.axes:
        assert panel.get_xscale() == "log"
        untouched, dpo = lines_of(panel)
        assert untouched.get_color() == "#000000"
        known = sorted(set(axis.places.values()))
        assert list(dpo.get_xdata()) == pytest.approx(known, rel=0.05)
    assert figure.get_supxlabel() == f"not drawn: mini-small. {PLACES['scale'][1]}"


def test_bars_are_the_intervals_of_the_table(sizes, folders):
    scores, lines = sizes
    axis = scale_axis(lines, folders)
    entry = cell(axis_table(scores, axis), "DPO: mini-base", "Global safe")
    _, bars = axis_figure(scores, axis).axes[0].collections
    (_, low), (_, high) = bars.get_segments()[0]
    assert low < high
    assert (low, high) == pytest.approx((100 * entry.low, 100 * entry.high))


def test_rows_are_those_that_trainings_read_the_mean_of_seeds(few, runs, data):
    table = axis_table(few, data_axis(data, runs))
    column = [entries[0].value for entries in table.entries]
    # A model of two lines has one row.
    assert column == [0, 321, 97, 33, None]
    assert table.rows[0] == "none"
    assert "DPO: 30% of a" in table.rows
    assert cell(table, "DPO: c", "training rows").reason == PLACES["data"][1]


def test_a_figure_of_data_has_a_row_of_panels_a_kind_and_the_base_dashed(
    few, runs, data
):
    figure = axis_figure(few, data_axis(data, runs))
    assert len(figure.axes) == 6
    fractions, compositions = figure.axes[0], figure.axes[3]
    assert list(lines_of(fractions)[0].get_xdata()) == [33, 97, 321]
    # Datasets stand by their rows; one of unknown rows is named instead.
    ticks = [tick.get_text() for tick in compositions.get_xticklabels()]
    assert ticks == ["b", "a"]
    assert "not drawn: c." in figure.get_supxlabel()
    start = score(few, recipe="none", benchmark="global", metric="safety")["value"]
    (base,) = [line for line in fractions.lines if line.get_color() == "black"]
    assert base.get_ydata()[0] == pytest.approx(100 * start)


def test_a_point_without_a_score_is_left_out_of_its_line(few, runs, data):
    blank = change(few, {"recipe": "nca", "metric": "safety"}, value=None)
    safe, lost = axis_figure(blank, data_axis(data[:1], runs)).axes[:2]
    assert list(lines_of(safe)[0].get_xdata()) == [33, 321]
    assert len(lines_of(lost)[0].get_xdata()) == 3


def test_a_panel_without_scores_says_so(few, runs, data):
    gone = few.filter(pl.col("metric") != "capability")
    panel = axis_figure(gone, data_axis(data[:1], runs)).axes[2]
    assert [text.get_text() for text in panel.texts] == [
        "no line has two points of\ncapability, mean of the tasks (%)"
    ]
    assert not panel.axison

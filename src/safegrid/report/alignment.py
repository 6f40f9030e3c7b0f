"""Eleven alignment methods (arXiv 2409.07772): its numbers and Figure 1 beside ours."""

import math
import re
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.core.records import Key
from safegrid.report.grid import Entry, Grid, Value, ends
from safegrid.report.names import BASE, METRICS
from safegrid.report.pairs import NONE, Comparisons
from safegrid.report.published import EVERY, published_number
from safegrid.report.style import CM, COLUMN, SMALL, new_figure, styled
from safegrid.report.table import Column, Row, Table, sheet_table

MEASURES = {
    "global safety score": Key("global", ".*", "safety", "all"),
    "ALERT safety score": Key("alert", ".*", "safety", "all"),
    "Adversarial ALERT safety score": Key("alert_adversarial", ".*", "safety", "all"),
    "average toxicity": Key(".*", ".*", "toxicity_mean", "adversarial=no"),
    "average toxicity in adversarial settings": Key(
        ".*", ".*", "toxicity_mean", "adversarial=yes"
    ),
    # MATH, or the miniature's sums.
    "mathematics": Key(".*", ".*", "capability", "task=.*_math(_hard)?"),
}
"""The paper's metrics, and patterns of what we measure in the place of each."""
NO_MODEL = "This study has no such model."
NOT_KNOWN = (
    "No recipe or base can stand for it: its method is not named, or its weights are"
    " not public."
)
ROW = 0.36 * CM
PAPER_AXIS = (50.0, 100.0)
"""The paper's own axis; ours begins lower where a score of ours does."""
LEAST_BAR = 3.0
"""Percent that the shortest bar is long."""


def beside_table(
    scores: pl.DataFrame, published: pl.DataFrame, _: Comparisons = NONE
) -> Table:
    """Return what the paper says of each of its models, and what we measured."""
    grid = Grid(scores)
    columns: list[Column] = []
    for metric, measure in MEASURES.items():
        asked = Key("", "", metric, "")
        unit = [*published.filter(metric=metric)["unit"], "score"][0]
        columns.append(Column(f"{metric}, published", asked, 0, unit, published=True))
        keys = [key for key in grid.keys if all(map(re.fullmatch, measure, key))]
        for key in keys:
            judge = f" ({key.judge})" if len(keys) > 1 else ""
            unit = METRICS[key.metric].unit
            columns.append(Column(f"{metric}, ours{judge}", key, 0, unit))
    named = published.filter(pl.col("item") != EVERY)
    names = dict(named["item", "model"].unique(maintain_order=True).rows())

    def elsewhere(row: Row, column: Column) -> Entry:
        if column.published:
            return published_number(published, row.item, column.key.metric)
        return Entry(reason=NOT_KNOWN if names[row.item] is None else NO_MODEL)

    rows = [row for item, name in names.items() for row in _rows(grid, item, name)]
    return sheet_table("published", grid, rows, columns, elsewhere)


def _rows(grid: Grid, item: str, name: str | None) -> list[Row]:
    """Return a row a model of ours that is a recipe's or an untouched base's name."""
    trained = {model.base for model in grid.models if model.recipe != BASE}
    found = [
        model
        for model in grid.models
        if (model.recipe == name and model.base in trained)
        or (model.recipe == BASE and model.base == name)
    ]
    if len(found) < 2:
        return [Row(item, found[0] if found else None, item=item)]
    return [Row(f"{item} ({model.base})", model, item=item) for model in found]


Bars = dict[str, Value]


@styled
def figure_1(scores: pl.DataFrame, published: pl.DataFrame) -> Figure:
    """Draw published bars above ours, each block sorted upwards, on one axis."""
    drawn = published.filter(place="Figure 1").select("item", "value")
    theirs = _upwards({item: Value(value) for item, value in drawn.rows()})
    ours = our_bars(scores)
    blocks = [("published", theirs, "0.75", ""), ("this study", ours, "white", "////")]
    heights = [max(1, len(bars)) for _, bars, _, _ in blocks]
    figure = new_figure(COLUMN, (sum(heights) + 5) * ROW)
    panels = figure.subplots(2, squeeze=True, sharex=True, height_ratios=heights)
    for axes, (title, bars, colour, hatch) in zip(panels, blocks, strict=True):
        _draw(axes, bars, colour, hatch)
        axes.set_title(title, loc="left", pad=2)
    values = [bar.at for _, bars, _, _ in blocks for bar in bars.values()]
    start = 10 * ((min(values, default=PAPER_AXIS[0]) - LEAST_BAR) // 10)
    panels[0].set_xlim(min(PAPER_AXIS[0], max(0, start)), PAPER_AXIS[1])
    panels[1].set_xlabel("global safety score (%)")
    return figure


def our_bars(scores: pl.DataFrame) -> Bars:
    """Return the global safety of every model that has one, sorted upwards.

    The published bars are of whole trainings, and so are ours: doses are left out.
    """
    grid = Grid(ends(scores))
    found = {
        grid.title(model): grid.entry(model, key).percent
        for key in grid.lead("safety")[:1]
        for model in grid.models
    }
    return _upwards({n: bar for n, bar in found.items() if not math.isnan(bar.at)})


def _upwards(bars: Bars) -> Bars:
    return dict(sorted(bars.items(), key=lambda named: named[1].at))


def _draw(axes: Axes, bars: Bars, colour: str, hatch: str) -> None:
    places = list(range(len(bars)))
    look: Any = {"edgecolor": "0.25", "linewidth": 0.5, "hatch": hatch}
    values = [bar.at for bar in bars.values()]
    axes.barh(places, values, height=0.72, color=colour, **look)
    for place, bar in enumerate(bars.values()):
        # Of published ones the paper prints two digits and no interval.
        ours = not math.isnan(bar.low)
        if ours:
            axes.hlines(place, bar.low, bar.high, color="black", linewidth=1.0)
        axes.annotate(
            f"{bar.at:.{1 if ours else 2}f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=SMALL,
        )
    axes.set_yticks(places, list(bars))
    axes.tick_params(axis="y", length=0, labelsize=SMALL)
    axes.invert_yaxis()


TABLES = {"published": beside_table}
FIGURES = {"figure_1": figure_1}

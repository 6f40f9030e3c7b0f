"""The paper's Figure 1: published global safety scores, and ours beside them."""

from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.report.grid import Grid, ends
from safegrid.report.style import CM, COLUMN, SMALL, new_figure, styled

PLACE = "Figure 1"
ROW = 0.36 * CM
PAPER_AXIS = (50.0, 100.0)
"""The paper's own axis; ours begins lower where a score of ours does."""
LEAST_BAR = 3.0
"""Percent that the shortest bar is long."""


class Bar(NamedTuple):
    """A bar; numbers in percent, limits None for published ones."""

    name: str
    value: float
    low: float | None
    high: float | None


@styled
def figure_1(scores: pl.DataFrame, published: pl.DataFrame) -> Figure:
    """Draw published bars above ours, each block sorted upwards, on one axis.

    Args:
        scores: rows of SCORE.
        published: rows of `safegrid.report.published`; those of the figure are drawn.
    """
    theirs = sorted(
        (Bar(item, value, None, None) for item, value in _pairs(published)),
        key=lambda bar: bar.value,
    )
    ours = our_bars(scores)
    blocks = [("published", theirs, "0.75", ""), ("this study", ours, "white", "////")]
    heights = [max(1, len(bars)) for _, bars, _, _ in blocks]
    figure = new_figure(COLUMN, (sum(heights) + 5) * ROW)
    panels = figure.subplots(2, squeeze=True, sharex=True, height_ratios=heights)
    for axes, (title, bars, colour, hatch) in zip(panels, blocks, strict=True):
        _draw(axes, bars, colour, hatch)
        axes.set_title(title, loc="left", pad=2)
    lowest = min([bar.value for bar in [*theirs, *ours]], default=PAPER_AXIS[0])
    start = 10 * ((lowest - LEAST_BAR) // 10)
    panels[0].set_xlim(min(PAPER_AXIS[0], max(0, start)), PAPER_AXIS[1])
    panels[1].set_xlabel("global safety score (%)")
    return figure


def our_bars(scores: pl.DataFrame) -> list[Bar]:
    """Return the global safety of every model that has one, sorted upwards.

    The published bars are of whole trainings, and so are ours: doses are left out.
    """
    grid = Grid(ends(scores))
    keys = grid.lead("safety")
    if not keys:
        return []
    found = [(grid.title(model), grid.entry(model, keys[0])) for model in grid.models]
    bars = [
        Bar(name, 100 * e.value, _percent(e.low), _percent(e.high))
        for name, e in found
        if e.value is not None
    ]
    return sorted(bars, key=lambda bar: bar.value)


def _pairs(published: pl.DataFrame) -> list[tuple[str, float]]:
    drawn = published.filter(place=PLACE)
    return [(str(item), float(value)) for item, value in drawn["item", "value"].rows()]


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _draw(axes: Axes, bars: list[Bar], colour: str, hatch: str) -> None:
    places = list(range(len(bars)))
    axes.barh(
        places,
        [bar.value for bar in bars],
        height=0.72,
        color=colour,
        hatch=hatch,
        edgecolor="0.25",
        linewidth=0.5,
    )
    for place, bar in zip(places, bars, strict=True):
        if bar.low is not None and bar.high is not None:
            axes.hlines(place, bar.low, bar.high, color="black", linewidth=1.0)
        axes.annotate(
            f"{bar.value:.1f}" if bar.low is not None else f"{bar.value:.2f}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=SMALL,
        )
    axes.set_yticks(places, [bar.name for bar in bars])
    axes.tick_params(axis="y", length=0, labelsize=SMALL)
    axes.invert_yaxis()

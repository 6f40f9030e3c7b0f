"""Safety against its cost, dose by dose: a panel a training, the others in grey."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safegrid.report.lines import DrawnLine, DrawnPoint, lines, says
from safegrid.report.names import BASE, MINUS, model_title
from safegrid.report.style import CM, SMALL, cross, look, mark, multiples, styled

GUIDES = (1.0, 2.0, 5.0)
"""Losses in points at which the table reads the lines."""
NEAR = 2.0
"""Points up to which the axis of losses is nearly linear; then it is logarithmic."""
TICKS = (-40, -20, -5, -2, 0, 1, 2, 5, 10, 20, 40, 100)
NOTHING = "no line: the study lacks a judge or a benchmark that this figure needs"
PIECES = np.linspace(0.0, 1.0, 33)

LOST = {
    "lost": "benign requests lost: points above the base",
    "capability": "capability lost: points below the base",
}
FIGURES = {
    "frontier_refused_lost": ("refused", "lost"),
    "frontier_refused_capability": ("refused", "capability"),
    "frontier_second_lost": ("second", "lost"),
    "frontier_second_capability": ("second", "capability"),
}
"""The figures of lines: the axis of safety, and that of losses."""


@styled
def frontier(rows: pl.DataFrame, safety: str, loss: str) -> Figure:
    """Draw every training as a line from its base through its doses to its end."""
    found = lines(rows, safety, loss)
    what, judge = says(rows, safety)
    titles = (LOST[loss], f"{what} (%),\n{judge}")
    spaces = {"left": 0.085, "wspace": 0.12, "hspace": 0.24}
    figure, places = multiples(len(found), 3.7 * CM, 1.1 * CM, titles, True, **spaces)
    for axes, line in zip(places, found, strict=False):
        _panel(axes, line, found)
    for axes in places[max(0, len(found) - 4) : len(found)]:
        axes.tick_params(labelbottom=True)
    if not found:
        places[0].text(0, 0.5, NOTHING, transform=places[0].transAxes)
    figure.legend(
        handles=_signs(), loc="upper right", ncols=4, frameon=False, fontsize=SMALL
    )
    return figure


def _panel(axes: Axes, line: DrawnLine, every: list[DrawnLine]) -> None:
    _scale(axes)
    for guide in GUIDES:
        axes.axvline(guide, color="0.85", linewidth=0.5, dashes=(2, 2), zorder=0)
    axes.grid(axis="y", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    for other in every:
        if other.base == line.base and other is not line:
            _join(axes, other.points, color="0.8", linewidth=0.7, zorder=1)
    own = look(line.recipe, [other.recipe for other in every])
    for points in line.seeds.values():
        _join(axes, points, color=own.colour, linewidth=0.5, alpha=0.5, zorder=2)
    _join(axes, line.points, color=own.colour, linewidth=1.2, zorder=3)
    start, *doses = line.points
    for point in line.points:
        cross(axes, point.x, point.y, color=own.colour, alpha=0.55, zorder=2)
    for point in doses:
        mark(axes, point.x.at, point.y.at, own, point.place == line.end, 4.0)
    mark(axes, start.x.at, start.y.at, look(BASE, []), True, 5.5)
    names = [(other.base, other.recipe) for other in every]
    title = model_title(names, line.base, line.recipe)
    axes.set_title(title, loc="left", pad=3, color=own.colour)


def _scale(axes: Axes) -> None:
    """Give small losses room: linear near 0, logarithmic far from it (arsinh)."""
    axes.set_xscale("asinh", linear_width=NEAR)
    labels = [f"{tick:d}".replace("-", MINUS) for tick in TICKS]
    axes.set_xticks(TICKS, labels, minor=False)
    axes.set_xticks([], minor=True)
    axes.tick_params(labelsize=SMALL)


def _join(axes: Axes, points: list[DrawnPoint], **style: Any) -> None:
    """Join points by pieces that are straight in the numbers, if not on the axis."""
    x, y = ([p.x.at for p in points], [p.y.at for p in points])
    places = np.arange(len(points))
    fine = np.unique((places[:-1, None] + PIECES).ravel())
    axes.plot(np.interp(fine, places, x), np.interp(fine, places, y), **style)


def _signs() -> list[Line2D]:
    """Return what the signs mean: one legend for all panels."""
    mark: Any = {"marker": "o"}
    dot: Any = {**mark, "color": "0.3", "markersize": 4.0, "linewidth": 1.2}
    return [
        Line2D([], [], label="base", color="black", markersize=7, ls="none", **mark),
        Line2D([], [], label="dose", **dot, markerfacecolor="white"),
        Line2D([], [], label="end of the training", **dot, markerfacecolor="0.3"),
        Line2D([], [], label="the other methods", color="0.8", linewidth=0.7),
    ]

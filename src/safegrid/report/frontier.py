"""Safety against its cost, dose by dose: a panel a training, the others in grey."""

from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safegrid.report.lines import Line, Point, lines, says
from safegrid.report.names import BASE
from safegrid.report.printing import MINUS
from safegrid.report.style import CM, PAGE, SMALL, look, new_figure, styled

PER_ROW = 4
PANEL = 3.7 * CM
FOOT = 1.0 * CM
HEAD = 1.1 * CM
GUIDES = (1.0, 2.0, 5.0)
"""Losses in points at which the table reads the lines."""
NEAR = 2.0
"""Points up to which the axis of losses is nearly linear; then it is logarithmic."""
TICKS = (-40, -20, -5, -2, 0, 1, 2, 5, 10, 20, 40, 100)
BASE_SIZE = 5.5
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
    """Draw every training as a line from its base through its doses to its end.

    Args:
        rows: of FRONTIER.
        safety: axis "refused" or "second".
        loss: axis "lost" or "capability".
    """
    found = lines(rows, safety, loss)
    panels = max(1, -(-len(found) // PER_ROW))
    height = PANEL * panels + FOOT + HEAD
    figure = new_figure(PAGE, height, automatic=False)
    figure.subplots_adjust(
        left=0.085,
        right=0.99,
        bottom=FOOT / height,
        top=1 - HEAD / height,
        wspace=0.12,
        hspace=0.24,
    )
    places = figure.subplots(
        panels, PER_ROW, squeeze=False, sharex=True, sharey=True
    ).ravel()
    for axes, line in zip(places, found, strict=False):
        _panel(axes, line, found)
    for axes in places[len(found) :]:
        axes.set_axis_off()
    for axes in places[max(0, len(found) - PER_ROW) : len(found)]:
        axes.tick_params(labelbottom=True)
    if not found:
        places[0].text(0, 0.5, NOTHING, transform=places[0].transAxes)
    figure.supxlabel(LOST[loss], fontsize=7, y=0.1 * CM / height, va="bottom")
    what, judge = says(rows, safety)
    figure.supylabel(f"{what} (%),\n{judge}", fontsize=7, x=0.004, ha="left")
    figure.legend(
        handles=_signs(), loc="upper right", ncols=4, frameon=False, fontsize=SMALL
    )
    return figure


def _panel(axes: Axes, line: Line, every: list[Line]) -> None:
    _scale(axes)
    for guide in GUIDES:
        axes.axvline(guide, color="0.85", linewidth=0.5, dashes=(2, 2), zorder=0)
    axes.grid(axis="y", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    for other in every:
        if other.base == line.base and other is not line:
            _join(axes, other.points, color="0.8", linewidth=0.7, zorder=1)
    names = [other.recipe for other in every]
    marker, colour = look(line.recipe, names)
    for points in line.seeds.values():
        _join(axes, points, color=colour, linewidth=0.5, alpha=0.5, zorder=2)
    _join(axes, line.points, color=colour, linewidth=1.2, zorder=3)
    start, *doses = line.points
    for point in line.points:
        _bars(axes, point, colour)
    for point in doses:
        face = colour if point.place == line.end else "white"
        _mark(axes, point, marker, colour, face)
    _mark(axes, start, *look(BASE, []), "black", BASE_SIZE)
    bases = {other.base for other in every}
    title = line.title if len(bases) == 1 else f"{line.base} {line.title}"
    axes.set_title(title, loc="left", pad=3, color=colour)


def _scale(axes: Axes) -> None:
    """Give small losses room: linear near 0, logarithmic far from it (arsinh)."""
    axes.set_xscale("asinh", linear_width=NEAR)
    labels = [f"{tick:d}".replace("-", MINUS) for tick in TICKS]
    axes.set_xticks(TICKS, labels, minor=False)
    axes.set_xticks([], minor=True)
    axes.tick_params(labelsize=SMALL)


def _join(axes: Axes, points: list[Point], **style: Any) -> None:
    """Join points by pieces that are straight in the numbers, if not on the axis."""
    x, y = ([p.x.at for p in points], [p.y.at for p in points])
    places = np.arange(len(points))
    fine = np.unique((places[:-1, None] + PIECES).ravel())
    axes.plot(np.interp(fine, places, x), np.interp(fine, places, y), **style)


def _bars(axes: Axes, point: Point, colour: str) -> None:
    style: Any = {"color": colour, "linewidth": 0.6, "alpha": 0.55, "zorder": 2}
    axes.hlines(point.y.at, point.x.low, point.x.high, **style)
    axes.vlines(point.x.at, point.y.low, point.y.high, **style)


def _mark(
    axes: Axes, point: Point, marker: str, colour: str, face: str, size: float = 4.0
) -> None:
    axes.plot(
        point.x.at,
        point.y.at,
        marker=marker,
        color=colour,
        markerfacecolor=face,
        markersize=size,
        markeredgewidth=0.9,
        linestyle="none",
        zorder=4,
    )


def _signs() -> list[Line2D]:
    """Return what the signs mean: one legend for all panels."""
    mark: Any = {"marker": "o"}
    dot: Any = {**mark, "color": "0.3", "markersize": 4.0, "linewidth": 1.2}
    return [
        Line2D(
            [], [], label="base", marker="o", color="black", markersize=7, ls="none"
        ),
        Line2D([], [], label="dose", **dot, markerfacecolor="white"),
        Line2D([], [], label="end of the training", **dot, markerfacecolor="0.3"),
        Line2D([], [], label="the other methods", color="0.8", linewidth=0.7),
    ]

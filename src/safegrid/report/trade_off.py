"""Safety against what it costs, with intervals on both axes and the Pareto front."""

import itertools
import math

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.core.records import Key
from safegrid.report.grid import Entry, Grid, Value, ends, pareto
from safegrid.report.labels import place_labels
from safegrid.report.names import METRICS, recipe_title
from safegrid.report.pairs import NONE, Comparisons
from safegrid.report.style import (
    CM,
    COLUMN,
    SMALL,
    cross,
    look,
    mark,
    new_figure,
    settle,
    styled,
)

AXES = {
    "safety": "safe answers to harmful requests (%)",
    "true_refusal": "harmful requests refused (%)",
    "safe_and_coherent": "safe and not degenerate answers (%)",
    "capability": "capability, mean of the tasks (%)",
    "over_refusal": "harmless requests refused (%)",
    "benign_requests_lost": "harmless requests refused or broken (%)",
}
FIGURES = {
    "trade_off_capability": ("safety", "capability"),
    "trade_off_over_refusal": ("safety", "over_refusal"),
    "trade_off_coherent_capability": ("safe_and_coherent", "capability"),
    "trade_off_coherent_benign_lost": ("safe_and_coherent", "benign_requests_lost"),
}
"""The trade-offs of a study: the safety metric, and what it costs."""
NO_DOTS = "no model has both scores"
HEIGHT = 7.4 * CM


Dots = dict[str, tuple[Value, Value]]
"""Models in the plane: x and y by recipe."""


@styled
def trade_off(
    scores: pl.DataFrame, safety: str, cost: str, pairs: Comparisons = NONE
) -> Figure:
    """Plot a safety metric against what it costs, one panel a base.

    Axes are metrics as in `FIGURES`, safety of all safety benchmarks together; in a
    study without a guard true refusals stand in its place.
    """
    grid = Grid(ends(scores))
    bases = sorted({model.base for model in grid.models}) or [""]
    figure = new_figure(COLUMN, HEIGHT * len(bases))
    panels = figure.subplots(len(bases), squeeze=False)[:, 0]
    keys = grid.axis(safety), grid.axis(cost)
    names = axis_title(safety, keys[0]), axis_title(cost, keys[1])
    sign = METRICS[cost].better
    drawn = []
    for base, axes in zip(bases, panels, strict=True):
        if dots := _dots(grid, base, *keys):
            _draw(axes, dots, sign, _leading(grid, base, keys, pairs))
            axes.set_xlabel(names[0])
            axes.set_ylabel(names[1])
            drawn.append((axes, dots))
        else:
            axes.set_axis_off()
            text = "\n".join([f"{NO_DOTS}:", *names])
            axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes)
        axes.set_title(base if len(bases) > 1 else "", loc="left")
    settle(figure)
    for axes, dots in drawn:
        _label(axes, dots, sign)
    return figure


def _dots(grid: Grid, base: str, x_keys: list[Key], y_keys: list[Key]) -> Dots:
    """Return the models of a base that have both values."""
    found = {
        model.recipe: (_value(grid.entry(model, x)), _value(grid.entry(model, y)))
        for x, y in zip(x_keys[:1], y_keys[:1], strict=False)
        for model in grid.models
        if model.base == base
    }
    return {
        name: (x, y) for name, (x, y) in found.items() if not math.isnan(x.at + y.at)
    }


def _value(entry: Entry) -> Value:
    """Return a coordinate whose interval holds it; a limit not known is the value.

    A limit of a mean of seeds may not pass the mean itself in a drawing.
    """
    at, low, high = entry.percent
    return Value(at, float(np.fmin(at, low)), float(np.fmax(at, high)))


def _front(dots: Dots, sign: int) -> dict[str, tuple[float, float]]:
    """Return the Pareto-optimal dots from left to right."""
    optimal = pareto((x.at, sign * y.at) for x, y in dots.values())
    front = [
        (x.at, name, y.at)
        for (name, (x, y)), good in zip(dots.items(), optimal, strict=True)
        if good
    ]
    return {name: (x, y) for x, name, y in sorted(front)}


def _leading(
    grid: Grid, base: str, keys: tuple[list[Key], list[Key]], pairs: Comparisons
) -> set[str] | None:
    """Return the recipes on the front by paired tests, None where nothing was compared.

    The figure's axes are the two keys.
    """
    axes = [own[0] for own in keys]
    if not all(base in pairs.bases(key) for key in axes):
        return None
    models = [model for model in grid.models if model.base == base]
    return {model.recipe for model in pairs.on_front(axes, models)}


def _draw(axes: Axes, dots: Dots, sign: int, leading: set[str] | None) -> None:
    front = _front(dots, sign)
    x, y = [x for x, _ in front.values()], [y for _, y in front.values()]
    axes.plot(x, y, color="0.55", linewidth=0.8, dashes=(3, 2), zorder=1)
    for recipe, (across, up) in dots.items():
        own = look(recipe, list(dots))
        cross(axes, across, up, color=own.colour, alpha=0.6)
        filled = recipe in (front if leading is None else leading)
        mark(axes, across.at, up.at, own, filled, 4.5)
    axes.grid(color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.margins(0.09)
    arrow = "\N{NORTH EAST ARROW}" if sign > 0 else "\N{SOUTH EAST ARROW}"
    axes.set_title(f"better {arrow}", loc="right", color="0.35", fontsize=SMALL)


def _label(axes: Axes, dots: Dots, sign: int) -> None:
    """Name the dots; the layout of the figure is final by now."""
    points = [(x.at, y.at) for x, y in dots.values()]
    lines = []
    for x, y in dots.values():
        lines.append(((x.low, y.at), (x.high, y.at)))
        lines.append(((x.at, y.low), (x.at, y.high)))
    lines += itertools.pairwise(_front(dots, sign).values())
    place_labels(axes, points, list(map(recipe_title, dots)), SMALL, lines)


def axis_title(metric: str, keys: list[Key]) -> str:
    """Return an axis title; it names the judge where several give the metric."""
    several = len({key.judge for key in keys}) > 1
    metric = keys[0].metric if keys else metric
    return AXES[metric] + (f", by {keys[0].judge}" if several else "")

"""Safety against what it costs, with intervals on both axes and the Pareto front."""

import itertools
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.report.grid import Entry, Grid, Key, ends, pareto
from safegrid.report.labels import place_labels
from safegrid.report.names import METRICS, recipe_title
from safegrid.report.style import CM, COLUMN, SMALL, look, new_figure, settle, styled

AXES = {
    "safety": "safe answers to harmful requests (%)",
    "true_refusal": "harmful requests refused (%)",
    "safe_and_coherent": "safe and not degenerate answers (%)",
    "capability": "capability, mean of the tasks (%)",
    "over_refusal": "harmless requests refused (%)",
    "benign_requests_lost": "harmless requests refused or broken (%)",
}
NO_DOTS = "no model has both scores"
HEIGHT = 7.4 * CM


class Dot(NamedTuple):
    """A model in the plane; all numbers in percent."""

    recipe: str
    x: float
    x_limits: tuple[float, float]
    y: float
    y_limits: tuple[float, float]


@styled
def trade_off(scores: pl.DataFrame, safety: str, cost: str) -> Figure:
    """Plot a safety metric against what it costs, one panel a base.

    Args:
        scores: rows of SCORE.
        safety: "safety" or "safe_and_coherent"; of all safety benchmarks together. In a
            study without a guard true refusals stand in the place of "safety".
        cost: "capability", "over_refusal" or "benign_requests_lost".
    """
    grid = Grid(ends(scores))
    bases = sorted({model.base for model in grid.models}) or [""]
    figure = new_figure(COLUMN, HEIGHT * len(bases))
    panels = figure.subplots(len(bases), squeeze=False)[:, 0]
    x_keys, y_keys = grid.axis(safety), grid.axis(cost)
    for base, axes in zip(bases, panels, strict=True):
        named = _axis(safety, x_keys), _axis(cost, y_keys)
        if dots := _dots(grid, base, x_keys, y_keys):
            _draw(axes, dots, METRICS[cost].better)
            axes.set_xlabel(named[0])
            axes.set_ylabel(named[1])
        else:
            axes.set_axis_off()
            text = "\n".join([f"{NO_DOTS}:", *named])
            axes.text(0.5, 0.5, text, ha="center", transform=axes.transAxes)
        axes.set_title(base if len(bases) > 1 else "", loc="left")
    settle(figure)
    for base, axes in zip(bases, panels, strict=True):
        _label(axes, _dots(grid, base, x_keys, y_keys), METRICS[cost].better)
    return figure


def _dots(grid: Grid, base: str, x_keys: list[Key], y_keys: list[Key]) -> list[Dot]:
    """Return the models of a base that have both values, in percent."""
    if not x_keys or not y_keys:
        return []
    entries = [
        (model.recipe, grid.entry(model, x_keys[0]), grid.entry(model, y_keys[0]))
        for model in grid.models
        if model.base == base
    ]
    return [
        Dot(recipe, *_percent(x), *_percent(y))
        for recipe, x, y in entries
        if x.value is not None and y.value is not None
    ]


def _percent(entry: Entry) -> tuple[float, tuple[float, float]]:
    """Return a value and its limits in percent; a missing limit is the value."""
    value = 100 * (entry.value or 0.0)
    low = value if entry.low is None else 100 * entry.low
    high = value if entry.high is None else 100 * entry.high
    # A limit of a mean of seeds may not pass the mean itself in a drawing.
    return value, (min(low, value), max(high, value))


def _front(dots: list[Dot], sign: int) -> list[Dot]:
    """Return the Pareto-optimal dots from left to right."""
    optimal = pareto((dot.x, sign * dot.y) for dot in dots)
    return sorted(dot for dot, good in zip(dots, optimal, strict=True) if good)


def _draw(axes: Axes, dots: list[Dot], sign: int) -> None:
    recipes = [dot.recipe for dot in dots]
    front = sorted(_front(dots, sign), key=lambda dot: dot.x)
    x, y = [dot.x for dot in front], [dot.y for dot in front]
    axes.plot(x, y, color="0.55", linewidth=0.8, dashes=(3, 2), zorder=1)
    for dot in dots:
        marker, colour = look(dot.recipe, recipes)
        axes.hlines(dot.y, *dot.x_limits, color=colour, linewidth=0.6, alpha=0.6)
        axes.vlines(dot.x, *dot.y_limits, color=colour, linewidth=0.6, alpha=0.6)
        axes.plot(
            dot.x,
            dot.y,
            marker=marker,
            color=colour,
            markerfacecolor=colour if dot in front else "white",
            markersize=4.5,
            markeredgewidth=0.9,
            linestyle="none",
            zorder=4,
        )
    axes.grid(color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.margins(0.09)
    arrow = "\N{NORTH EAST ARROW}" if sign > 0 else "\N{SOUTH EAST ARROW}"
    axes.set_title(f"better {arrow}", loc="right", color="0.35", fontsize=SMALL)


def _label(axes: Axes, dots: list[Dot], sign: int) -> None:
    """Name the dots; the layout of the figure is final by now."""
    lines = [
        segment
        for dot in dots
        for segment in (
            ((dot.x_limits[0], dot.y), (dot.x_limits[1], dot.y)),
            ((dot.x, dot.y_limits[0]), (dot.x, dot.y_limits[1])),
        )
    ]
    front = sorted(_front(dots, sign), key=lambda dot: dot.x)
    lines += [((a.x, a.y), (b.x, b.y)) for a, b in itertools.pairwise(front)]
    names = [recipe_title(dot.recipe) for dot in dots]
    place_labels(axes, [(dot.x, dot.y) for dot in dots], names, SMALL, lines)


def _axis(metric: str, keys: list[Key]) -> str:
    """Return an axis title; it names the judge where several give the metric."""
    several = len({key.judge for key in keys}) > 1
    metric = keys[0].metric if keys else metric
    return AXES[metric] + (f", by {keys[0].judge}" if several else "")

"""Figures 4, 5, 6 and 8 of Safe to Serve from our scores, the paper's points beside.

One line a benchmark: filled marks with intervals are ours, hollow grey ones with a
dashed line are the paper's, whose models, judges and prompts are its own.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safegrid.report.grid import Entry, Grid, Key, Model, percent
from safegrid.report.names import benchmark_title
from safegrid.report.safe_to_serve.columns import by_benchmark
from safegrid.report.safe_to_serve.published import Published
from safegrid.report.safe_to_serve.rows import IT, IT_TITLE, models_of, place_of
from safegrid.report.style import CM, COLOURS, MARKERS, PAGE, new_figure, styled

HEIGHT = 7.4 * CM
SPREAD = 0.66
"""Width that the marks of one recipe take, of the distance to the next recipe."""
GREY = "0.45"
SAFE = ("safety",)
RIGHT = ("accuracy", "contains")
AXES = {SAFE: "safe answers (%)", RIGHT: "right answers (%)"}


class Panel(NamedTuple):
    """One plot of a figure.

    Attributes:
        group: recipes along the axis.
        metrics: what is drawn.
        axis: what the horizontal axis says.
        joined: lines join what has an order.
    """

    group: str
    metrics: tuple[str, ...]
    axis: str
    joined: bool = True


SAFETY_ROWS = "safety rows among the instructions"
REWARD = "what picks the best answer (RAFT)"
ITERATION = "iteration (RAFT)"
SHARE = "share of the pairs (DPO)"
PANELS = {
    "figure_4": (Panel("sit", SAFE, SAFETY_ROWS), Panel("sit", RIGHT, SAFETY_ROWS)),
    "figure_5": (
        Panel("raft_rewards", SAFE, REWARD, joined=False),
        Panel("raft_iterations", SAFE, ITERATION),
    ),
    "figure_6": (
        Panel("raft_rewards", RIGHT, REWARD, joined=False),
        Panel("raft_iterations", RIGHT, ITERATION),
    ),
    "figure_8": (Panel("dpo", SAFE, SHARE), Panel("dpo", RIGHT, SHARE)),
}
"""The panels of each figure, left and right."""


@styled
def serve_figure(name: str, scores: pl.DataFrame, published: pl.DataFrame) -> Figure:
    """Draw one of the paper's figures.

    Args:
        name: a key of `PANELS`.
        scores: rows of SCORE.
        published: rows of `safegrid.report.published`.
    """
    grid = Grid(scores)
    figure = new_figure(PAGE, HEIGHT)
    panels = figure.subplots(1, 2, sharey=len({p.metrics for p in PANELS[name]}) == 1)
    for axes, panel in zip(panels, PANELS[name], strict=True):
        _draw(axes, grid, panel, published)
    return figure


FIGURES: dict[str, Callable[[pl.DataFrame, pl.DataFrame], Figure]] = {
    name: partial(serve_figure, name) for name in PANELS
}
"""The paper's figures by name, each from our scores and the published numbers."""


class Series(NamedTuple):
    """One benchmark along a panel: where each entry stands, and how it is drawn."""

    places: list[float]
    entries: list[Entry]
    marker: str
    colour: str
    line: str


def _draw(axes: Axes, grid: Grid, panel: Panel, published: pl.DataFrame) -> None:
    models = models_of(grid, panel.group)
    theirs = Published(published, {model.recipe for model in models})
    keys = _keys(grid, panel)
    for place, key in enumerate(keys):
        # Two places a benchmark: ours, and the paper's right of it.
        shift = SPREAD * ((place + 0.25) / len(keys) - 0.5)
        beside = SPREAD / (2 * len(keys))
        look = (MARKERS[place % len(MARKERS)], COLOURS[place % len(COLOURS)])
        for base in dict.fromkeys(model.base for model in models):
            xs = [x for x, model in enumerate(models) if model.base == base]
            names = [models[x].recipe for x in xs]
            places = [x + shift for x in xs]
            paper = [theirs.entry(name, key.benchmark, key.metric) for name in names]
            ours = [grid.entry(models[x], key) for x in xs]
            lines = ("-", "--") if panel.joined else ("none", "none")
            _ours(axes, Series(places, ours, *look, lines[0]))
            right = [x + beside for x in places]
            _theirs(axes, Series(right, paper, *look, lines[1]))
    _frame(axes, grid, panel, models, keys)


def _keys(grid: Grid, panel: Panel) -> list[Key]:
    return [
        key
        for metric in panel.metrics
        for key in by_benchmark(grid.find(metric, "all"))
        if key.benchmark != "global"
    ]


def _ours(axes: Axes, series: Series) -> None:
    axes.plot(
        series.places,
        [percent(entry.value) for entry in series.entries],
        linestyle=series.line,
        color=series.colour,
        marker=series.marker,
        markersize=3.5,
        linewidth=0.8,
        zorder=3,
    )
    for x, entry in zip(series.places, series.entries, strict=True):
        limits = percent(entry.low), percent(entry.high)
        axes.vlines(x, *limits, color=series.colour, linewidth=0.7, zorder=2)


def _theirs(axes: Axes, series: Series) -> None:
    axes.plot(
        series.places,
        [math.nan if e.value is None else e.value for e in series.entries],
        linestyle=series.line,
        color=GREY,
        marker=series.marker,
        markersize=3.0,
        markerfacecolor="white",
        markeredgecolor=GREY,
        markeredgewidth=0.7,
        linewidth=0.6,
        zorder=1,
    )


def _frame(
    axes: Axes, grid: Grid, panel: Panel, models: list[Model], keys: list[Key]
) -> None:
    axes.set_xticks(range(len(models)), [_tick(grid, model) for model in models])
    axes.set_xlim(-0.5, max(1, len(models)) - 0.5)
    axes.set_xlabel(panel.axis)
    axes.set_ylabel(AXES[panel.metrics])
    axes.grid(axis="y", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    if not keys or all(model.recipe == IT for model in models):
        said = "no such scores" if models else "no such recipe"
        axes.annotate(
            f"This study has {said}.", (0.5, 0.5), xycoords="axes fraction", ha="center"
        )
    handles = [_handle(grid, keys, place) for place in range(len(keys))]
    paper = Line2D([], [], color=GREY, marker="o", markersize=3.5, linestyle="none")
    paper.set_markerfacecolor("white")
    paper.set_label("published")
    axes.legend(
        handles=[*handles, paper],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.22),
        ncols=3,
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.3,
    )


def _handle(grid: Grid, keys: list[Key], place: int) -> Line2D:
    key = keys[place]
    several = sum(other.benchmark == key.benchmark for other in keys) > 1
    title = benchmark_title(key.benchmark) + (f", {key.judge}" if several else "")
    marker, colour = MARKERS[place % len(MARKERS)], COLOURS[place % len(COLOURS)]
    line = Line2D([], [], color=colour, marker=marker, markersize=3.5, linewidth=0.8)
    line.set_label(title)
    return line


def _tick(grid: Grid, model: Model) -> str:
    place = place_of(model.recipe)
    name = place.tick if place else IT_TITLE
    several = len({other.base for other in grid.models}) > 1
    return f"{name}\n{model.base}" if several else name

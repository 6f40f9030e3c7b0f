"""Figures 4, 5, 6 and 8 of Safe to Serve from our scores, the paper's points beside.

One line a benchmark: filled marks with intervals are ours, hollow grey ones with a
dashed line are the paper's, whose models, judges and prompts are its own.
"""

import math
from functools import partial
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from safegrid.core.records import Key
from safegrid.report.grid import Grid, ModelRow, Value
from safegrid.report.names import benchmark_title
from safegrid.report.safe_to_serve import (
    IT,
    Published,
    by_benchmark,
    models_of,
    place_of,
)
from safegrid.report.style import CM, PAGE, look_at, new_figure, styled

HEIGHT = 7.4 * CM
SPREAD = 0.66
"""Width that the marks of one recipe take, of the distance to the next recipe."""
LINE: Any = {"markersize": 3.5, "linewidth": 0.8}
HOLLOW: Any = {"color": "0.45", "markerfacecolor": "white", "markeredgecolor": "0.45"}
SAFE = ("safety",)
RIGHT = ("accuracy", "contains")
AXES = {SAFE: "safe answers (%)", RIGHT: "right answers (%)"}


GROUPS = {
    "sit": "safety rows among the instructions",
    "raft_rewards": "what picks the best answer (RAFT)",
    "raft_iterations": "iteration (RAFT)",
    "dpo": "share of the pairs (DPO)",
}
"""Groups of recipes, and what their axis says."""
UNORDERED = "raft_rewards"
"""The group that has no order, so that no line joins its recipes."""
Panel = tuple[str, tuple[str, ...]]
PANELS: dict[str, tuple[Panel, Panel]] = {
    "figure_4": (("sit", SAFE), ("sit", RIGHT)),
    "figure_5": (("raft_rewards", SAFE), ("raft_iterations", SAFE)),
    "figure_6": (("raft_rewards", RIGHT), ("raft_iterations", RIGHT)),
    "figure_8": (("dpo", SAFE), ("dpo", RIGHT)),
}
"""The panels of each figure, left and right: a group, and its metrics."""


@styled
def serve_figure(name: str, scores: pl.DataFrame, published: pl.DataFrame) -> Figure:
    """Draw one of `PANELS` from rows of SCORE and the paper's numbers."""
    grid = Grid(scores)
    figure = new_figure(PAGE, HEIGHT)
    (_, left), (_, right) = PANELS[name]
    panels = figure.subplots(1, 2, sharey=left == right)
    for axes, panel in zip(panels, PANELS[name], strict=True):
        _draw(axes, grid, panel, published)
    return figure


FIGURES = {name: partial(serve_figure, name) for name in PANELS}


def _draw(axes: Axes, grid: Grid, panel: Panel, published: pl.DataFrame) -> None:
    group, metrics = panel
    models, joined = models_of(grid, group), group != UNORDERED
    theirs = Published(published, {model.recipe for model in models})
    keys = [
        key
        for metric in metrics
        for key in by_benchmark(grid.whole(metric))
        if key.benchmark != "global"
    ]
    for place, key in enumerate(keys):
        # Two places a benchmark: ours, and the paper's right of it.
        shift = SPREAD * ((place + 0.25) / len(keys) - 0.5)
        beside = shift + SPREAD / (2 * len(keys))
        for base in dict.fromkeys(model.base for model in models):
            own = {x: model for x, model in enumerate(models) if model.base == base}
            values = [grid.entry(model, key).percent for model in own.values()]
            _ours(axes, [x + shift for x in own], values, place, joined)
            printed = [
                theirs.entry(model.recipe, key.benchmark, key.metric).value
                for model in own.values()
            ]
            axes.plot(
                [x + beside for x in own],
                [math.nan if value is None else value for value in printed],
                linestyle="--" if joined else "none",
                marker=look_at(place).marker,
                markersize=3.0,
                markeredgewidth=0.7,
                linewidth=0.6,
                zorder=1,
                **HOLLOW,
            )
    axes.set_xlabel(GROUPS[group])
    axes.set_ylabel(AXES[metrics])
    _frame(axes, grid, models, keys)


def _ours(
    axes: Axes, places: list[float], values: list[Value], look: int, joined: bool
) -> None:
    """Draw a benchmark's scores at their places on the axis."""
    marker, colour = look_at(look)
    axes.plot(
        places,
        [value.at for value in values],
        linestyle="-" if joined else "none",
        color=colour,
        marker=marker,
        zorder=3,
        **LINE,
    )
    for x, value in zip(places, values, strict=True):
        axes.vlines(x, value.low, value.high, color=colour, linewidth=0.7, zorder=2)


def _frame(axes: Axes, grid: Grid, models: list[ModelRow], keys: list[Key]) -> None:
    ticks = [place_of(model.recipe).tick for model in models]
    if grid.several_bases:
        ticks = [f"{tick}\n{m.base}" for tick, m in zip(ticks, models, strict=True)]
    axes.set_xticks(range(len(models)), ticks)
    axes.set_xlim(-0.5, max(1, len(models)) - 0.5)
    axes.grid(axis="y", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)
    if not keys or all(model.recipe == IT for model in models):
        said = f"This study has no such {'scores' if models else 'recipe'}."
        axes.annotate(said, (0.5, 0.5), xycoords="axes fraction", ha="center")
    axes.legend(
        handles=_handles(keys),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.22),
        ncols=3,
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.3,
    )


def _handles(keys: list[Key]) -> list[Line2D]:
    """Return the legend: a line a benchmark, its judge where it has several."""
    names = [key.benchmark for key in keys]
    handles = []
    for place, key in enumerate(keys):
        judge = f", {key.judge}" if names.count(key.benchmark) > 1 else ""
        marker, colour = look_at(place)
        title = benchmark_title(key.benchmark) + judge
        handles.append(Line2D([], [], color=colour, marker=marker, label=title, **LINE))
    look: Any = {"marker": "o", "markersize": 3.5, "linestyle": "none"}
    return [*handles, Line2D([], [], label="published", **look, **HOLLOW)]

"""Heat maps: a share for every slice and model, dark where it is bad."""

from typing import NamedTuple

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.report.grid import Grid, Key, ends, percent
from safegrid.report.names import BLANK, METRICS, benchmark_title, slice_title
from safegrid.report.style import CM, SMALL, new_figure, styled

DARK = 60.0
"""Percent of the worst value from which on a cell's number is printed white."""
CELL_SIZE = 5.3
ROW = 0.34 * CM
CELL = 0.47 * CM
LABELS = 2.4 * CM
LEAST_MODELS = 6


class _Block(NamedTuple):
    """The rows of one benchmark and judge: a list for each kind of slice."""

    title: str
    kinds: list[list[Key]]


@styled
def category_map(scores: pl.DataFrame) -> Figure:
    """Draw the safety of every model by category and benchmark, macro above micro."""
    return _map(scores, "safety", "macro=", "category=")


@styled
def attack_map(scores: pl.DataFrame) -> Figure:
    """Draw the success of every attack on every model."""
    return _map(scores, "attack_success", "attack=")


def _map(scores: pl.DataFrame, metric: str, *prefixes: str) -> Figure:
    grid = Grid(ends(scores))
    blocks = _blocks(grid, metric, prefixes)
    kinds = zip(*(block.kinds for block in blocks), strict=True)
    rows = [max(map(len, lists)) for lists in kinds] or [1]
    across = max(1, len(blocks))
    width = max(LEAST_MODELS, len(grid.models)) * CELL * across
    height = (sum(rows) + len(rows) - 1 + 6) * ROW
    figure = new_figure(LABELS + width, height)
    panels = figure.subplots(len(rows), across, squeeze=False, height_ratios=rows)
    for kind, line in enumerate(panels):
        labelled: list[str] = []
        for axes, block in zip(line, blocks, strict=False):
            keys = block.kinds[kind]
            labels = [slice_title(key.slice).replace("_", " ") for key in keys]
            # The names of benchmark and models stand above the first panel only.
            first = keys and not any(block.kinds[:kind])
            _draw(axes, grid, keys, labels if labels != labelled else [])
            _head(axes, grid, block.title if first else None)
            labelled = labels
    title = METRICS[metric].title
    if not blocks:
        panels[0, 0].set_axis_off()
        panels[0, 0].text(0.5, 0.5, f"no scores of {title}", ha="center")
    figure.supxlabel(f"{title} (%), darker is worse", fontsize=7)
    return figure


def _blocks(grid: Grid, metric: str, prefixes: tuple[str, ...]) -> list[_Block]:
    """Return the slices of each benchmark and judge, without kinds that none has."""
    found = [key for key in grid.find(metric) if key.slice.startswith(prefixes)]
    there = [p for p in prefixes if any(key.slice.startswith(p) for key in found)]
    owners = list(dict.fromkeys((key.benchmark, key.judge) for key in found))
    several = len({judge for _, judge in owners}) > 1
    return [
        _Block(
            benchmark_title(name) + (f", by {judge}" if several else ""),
            [
                [k for k in found if k[:2] == (name, judge) and k.slice.startswith(p)]
                for p in there
            ],
        )
        for name, judge in owners
    ]


def _draw(axes: Axes, grid: Grid, keys: list[Key], labels: list[str]) -> None:
    """Draw slices of one benchmark; no labels where the panel before has the same."""
    if not keys:
        axes.set_axis_off()
        return
    entries = [[grid.entry(model, key).value for model in grid.models] for key in keys]
    values = np.array([list(map(percent, row)) for row in entries])
    bad = 100 - values if METRICS[keys[0].metric].better > 0 else values
    # Not pure black at 100, so that white numbers stay easy to read.
    axes.pcolormesh(
        bad, cmap="Greys", vmin=0, vmax=115, edgecolor="0.85", linewidth=0.3
    )
    for (row, column), value in np.ndenumerate(values):
        axes.text(
            column + 0.5,
            row + 0.5,
            BLANK if np.isnan(value) else f"{value:.0f}",
            ha="center",
            va="center",
            fontsize=CELL_SIZE,
            color="white" if bad[row, column] > DARK else "black",
            in_layout=False,
        )
    axes.invert_yaxis()
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.tick_params(length=0, labelsize=SMALL)
    axes.spines[:].set_visible(False)


def _head(axes: Axes, grid: Grid, title: str | None) -> None:
    """Write the benchmark's and the models' names above a panel; None for neither."""
    if title is None:
        axes.set_xticks([])
        return
    axes.set_xticks(np.arange(len(grid.models)) + 0.5, map(grid.title, grid.models))
    axes.tick_params(axis="x", rotation=90, labeltop=True, labelbottom=False)
    axes.set_title(title)

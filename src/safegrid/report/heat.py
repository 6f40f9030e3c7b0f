"""Heat maps: a share for every slice and model, dark where it is bad."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.report.grid import Grid, Key
from safegrid.report.names import METRICS, benchmark_title
from safegrid.report.style import CM, SMALL, new_figure, styled

COLOURS = "Greys"
DARK = 60.0
"""Percent of the worst value from which on a cell's number is printed white."""
CELL_SIZE = 5.3
ROW = 0.34 * CM
CELL = 0.47 * CM
LABELS = 2.4 * CM
LEAST_MODELS = 6


@dataclass(frozen=True)
class _Block:
    """The rows of one benchmark."""

    benchmark: str
    keys: list[Key]


@styled
def category_map(scores: pl.DataFrame) -> Figure:
    """Draw the safety of every model in every category, by benchmark."""
    return _map(scores, "safety", "category=")


@styled
def attack_map(scores: pl.DataFrame) -> Figure:
    """Draw the success of every attack on every model."""
    return _map(scores, "attack_success", "attack=")


def _map(scores: pl.DataFrame, metric: str, prefix: str) -> Figure:
    grid = Grid(scores)
    blocks = _blocks(grid, metric, prefix)
    rows = max((len(block.keys) for block in blocks), default=1)
    width = max(LEAST_MODELS, len(grid.models)) * CELL * max(1, len(blocks))
    figure = new_figure(LABELS + width, (rows + 6) * ROW)
    panels = figure.subplots(1, max(1, len(blocks)), squeeze=False)[0]
    labelled: list[str] = []
    for axes, block in zip(panels, blocks, strict=False):
        labels = [
            key.slice.removeprefix(prefix).replace("_", " ") for key in block.keys
        ]
        _draw(axes, grid, block, labels if labels != labelled else [])
        labelled = labels
    if not blocks:
        panels[0].set_axis_off()
        panels[0].text(0.5, 0.5, f"no scores of {METRICS[metric].title}", ha="center")
    title = f"{METRICS[metric].title} (%), darker is worse"
    figure.supxlabel(title, fontsize=7)
    return figure


def _blocks(grid: Grid, metric: str, prefix: str) -> list[_Block]:
    """Return the slices of each benchmark and judge."""
    found: dict[tuple[str, str], list[Key]] = {}
    for key in grid.find(metric):
        if key.slice.startswith(prefix):
            found.setdefault((key.benchmark, key.judge), []).append(key)
    several = len({judge for _, judge in found}) > 1
    return [
        _Block(benchmark_title(name) + (f", by {judge}" if several else ""), keys)
        for (name, judge), keys in found.items()
    ]


def _draw(axes: Axes, grid: Grid, block: _Block, labels: list[str]) -> None:
    """Draw one benchmark; no labels where they are those of the panel before."""
    values = np.array(
        [
            [_percent(grid.entry(model, key).value) for model in grid.models]
            for key in block.keys
        ]
    )
    bad = 100 - values if METRICS[block.keys[0].metric].better > 0 else values
    # Not pure black at 100, so that white numbers stay easy to read.
    axes.pcolormesh(
        bad, cmap=COLOURS, vmin=0, vmax=115, edgecolor="0.85", linewidth=0.3
    )
    for (row, column), value in np.ndenumerate(values):
        text = "\N{EN DASH}" if np.isnan(value) else f"{value:.0f}"
        colour = "white" if bad[row, column] > DARK else "black"
        axes.text(
            column + 0.5,
            row + 0.5,
            text,
            ha="center",
            va="center",
            fontsize=CELL_SIZE,
            color=colour,
            in_layout=False,
        )
    axes.invert_yaxis()
    axes.set_yticks(np.arange(len(labels)) + 0.5, labels)
    axes.set_xticks(np.arange(len(grid.models)) + 0.5, map(grid.title, grid.models))
    axes.tick_params(length=0, labelsize=SMALL)
    axes.tick_params(axis="x", rotation=90, labeltop=True, labelbottom=False)
    axes.set_title(block.benchmark)
    axes.spines[:].set_visible(False)


def _percent(value: float | None) -> float:
    return np.nan if value is None else 100 * value

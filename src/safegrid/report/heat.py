"""Heat maps: a share for every slice and model, dark where it is bad."""

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.core.records import Key
from safegrid.report.grid import Grid, ends
from safegrid.report.names import BLANK, METRICS, SLICED, benchmark_title, slice_title
from safegrid.report.style import CM, SMALL, new_figure, styled

DARK = 60.0
"""Percent of the worst value from which on a cell's number is printed white."""
CELL_SIZE = 5.3
ROW = 0.34 * CM
CELL = 0.47 * CM
LABELS = 2.4 * CM
LEAST_MODELS = 6


Blocks = dict[tuple[str, str], list[list[Key]]]
"""The rows of each benchmark and judge: a list for each kind of slice."""


@styled
def slice_map(name: str, scores: pl.DataFrame) -> Figure:
    """Draw one of `SLICED`: slices by model and benchmark, one kind above the next."""
    metric, prefixes, _ = SLICED[name]
    grid = Grid(ends(scores))
    blocks = _blocks(grid, metric, prefixes)
    rows = [max(map(len, lists)) for lists in zip(*blocks.values(), strict=True)] or [1]
    across = max(1, len(blocks))
    width = max(LEAST_MODELS, len(grid.models)) * CELL * across
    height = (sum(rows) + len(rows) - 1 + 6) * ROW
    figure = new_figure(LABELS + width, height)
    several = len({judge for _, judge in blocks}) > 1
    panels = figure.subplots(len(rows), across, squeeze=False, height_ratios=rows)
    for kind, line in enumerate(panels):
        labelled: list[str] = []
        for axes, ((name, judge), kinds) in zip(line, blocks.items(), strict=False):
            labels = [slice_title(key.slice).replace("_", " ") for key in kinds[kind]]
            # The names of benchmark and models stand above the first panel only.
            first = kinds[kind] and not any(kinds[:kind])
            _draw(axes, grid, kinds[kind], labels if labels != labelled else [])
            title = benchmark_title(name) + (f", by {judge}" if several else "")
            _head(axes, grid, title if first else None)
            labelled = labels
    title = METRICS[metric].title
    if not blocks:
        panels[0, 0].set_axis_off()
        panels[0, 0].text(0.5, 0.5, f"no scores of {title}", ha="center")
    figure.supxlabel(f"{title} (%), darker is worse", fontsize=7)
    return figure


def _blocks(grid: Grid, metric: str, prefixes: tuple[str, ...]) -> Blocks:
    """Return the slices of each benchmark and judge, without kinds that none has."""
    kinds = [[k for k in grid.find(metric) if k.slice.startswith(p)] for p in prefixes]
    kinds = [keys for keys in kinds if keys]
    owners = sorted({key[:2] for keys in kinds for key in keys})
    return {
        o: [[key for key in keys if key[:2] == o] for keys in kinds] for o in owners
    }


def _draw(axes: Axes, grid: Grid, keys: list[Key], labels: list[str]) -> None:
    """Draw slices of one benchmark; no labels where the panel before has the same."""
    if not keys:
        axes.set_axis_off()
        return
    values = np.array(
        [[grid.entry(model, key).percent.at for model in grid.models] for key in keys]
    )
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

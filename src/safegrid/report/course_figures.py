"""Figures of Course-Correction: Corr@k along k, and refusals at once beside later."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.core.records import Key
from safegrid.report.course_correction import (
    at_k,
    at_once,
    block_title,
    blocks_of,
    ks_of,
    turn_title,
)
from safegrid.report.grid import Entry, Grid, ModelRow
from safegrid.report.names import BASE, recipe_title
from safegrid.report.style import CM, COLOURS, DASHES, MARKERS, PAGE, new_figure, styled

ROW = 6.0 * CM
LINE = 0.62 * CM
BLACK = "#000000"
"""The base, beside what it was trained to, and refusals at once."""
NO_SCORES = "This study has no such scores."


Models = dict[str, ModelRow]
"""By name: the untouched ones, or those of one base, which share a panel."""


@styled
def corr_curves(scores: pl.DataFrame, _: pl.DataFrame) -> Figure:
    """Draw Corr@k along k with its band: a column a turn, a row a group of models."""
    grid = Grid(scores)
    blocks = blocks_of(grid)
    groups = _groups(grid) if blocks else {"": {}}
    figure = new_figure(PAGE, ROW * len(groups))
    shape = (len(groups), max(1, len(blocks)))
    panels = figure.subplots(*shape, sharex="col", sharey=True, squeeze=False)
    for row, (name, models) in zip(panels, groups.items(), strict=True):
        for axes, block in zip(row, blocks, strict=False):
            parts = (name, block_title(block, blocks))
            axes.set_title(", ".join(part for part in parts if part))
            _curves(axes, grid, block, models)
        if blocks:
            row[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
            row[0].set_ylabel("corrected paths (%)")
        else:
            _say(row[0])
    for axes in panels[-1]:
        axes.set_xlabel("k: words of the answer that was begun")
    # Limits in percent that hold all bands, no wider than shares can be.
    top = panels[0, 0].get_ylim()[1]
    panels[0, 0].set_ylim(-2.0, min(102.0, max(10.0, top)))
    return figure


def _groups(grid: Grid) -> dict[str, Models]:
    """Return the untouched models, where there are several, then each trained base."""
    if not grid.several_bases:
        return {"": {recipe_title(model.recipe): model for model in grid.models}}
    found = {"untouched models": {m.base: m for m in grid.models if m.recipe == BASE}}
    for base in dict.fromkeys(model.base for model in grid.models):
        own = {recipe_title(m.recipe): m for m in grid.models if m.base == base}
        if len(own) > 1:
            found[base] = own
    return found


def _curves(axes: Axes, grid: Grid, block: Key, models: Models) -> None:
    ks = ks_of(grid, [block])
    trained = any(model.recipe != BASE for model in models.values())
    colours = [BLACK, *COLOURS] if trained else COLOURS
    for place, (name, model) in enumerate(models.items()):
        shade = colours[place % len(colours)]
        keys = [block._replace(slice=at_k(k)) for k in ks]
        values, lows, highs = _percents(grid.entry(model, key) for key in keys)
        axes.fill_between(ks, lows, highs, color=shade, alpha=0.13, linewidth=0)
        axes.plot(
            ks,
            values,
            color=shade,
            marker=MARKERS[place % len(MARKERS)],
            dashes=DASHES[place // len(colours) % len(DASHES)] or (None, None),
            markersize=3.5,
            linewidth=0.9,
            label=name,
        )
    axes.set_xticks(ks)
    axes.grid(color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)


def _percents(entries: Iterable[Entry]) -> Any:
    """Return values, lower and upper limits in percent."""
    return np.array([entry.percent for entry in entries]).reshape(-1, 3).T


LOOKS = [("o", BLACK), ("s", COLOURS[0]), ("D", COLOURS[1]), ("^", COLOURS[2])]


@styled
def refusals_now_and_later(scores: pl.DataFrame, _: pl.DataFrame) -> Figure:
    """Draw what each model refuses at once and what it turns away from later."""
    grid = Grid(scores)
    blocks = blocks_of(grid)
    judges = sorted({block.judge for block in blocks})
    figure = new_figure(PAGE, 2.8 * CM + LINE * len(grid.models))
    panels = figure.subplots(1, max(1, len(judges)), sharey=True, squeeze=False)[0]
    for axes, judge in zip(panels, judges, strict=False):
        _points(axes, grid, [block for block in blocks if block.judge == judge])
        axes.set_title(judge if len(judges) > 1 else "")
    if judges:
        panels[0].set_yticks(range(len(grid.models)), map(grid.title, grid.models))
        panels[0].set_ylim(len(grid.models) - 0.4, -0.6)
        panels[-1].legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False)
    else:
        _say(panels[0])
    return figure


def _points(axes: Axes, grid: Grid, blocks: list[Key]) -> None:
    """Draw each model's entries, at once and later by turn, one below the other."""
    keys = {"refused at once": at_once(blocks[0])}
    keys |= {f"corrected later, {turn_title(b.benchmark)}": b for b in blocks}
    step = 0.6 / len(keys)
    for place, (label, key) in enumerate(keys.items()):
        values, lows, highs = _percents(grid.entry(m, key) for m in grid.models)
        shift = step * (place - (len(keys) - 1) / 2)
        heights = [line + shift for line in range(len(values))]
        marker, colour = LOOKS[place % len(LOOKS)]
        axes.hlines(heights, lows, highs, color=colour, linewidth=0.8)
        axes.plot(
            values,
            heights,
            color=colour,
            marker=marker,
            markersize=3.5,
            linestyle="none",
            label=label,
        )
    axes.set_xlabel("share of answers (%)")
    axes.set_xlim(-2, 102)
    axes.grid(axis="x", color="0.92", linewidth=0.5)
    axes.set_axisbelow(True)


def _say(axes: Axes) -> None:
    axes.annotate(NO_SCORES, (0.5, 0.5), xycoords="axes fraction", ha="center")


FIGURES = {
    "corr_curves": corr_curves,
    "refusals_now_and_later": refusals_now_and_later,
}

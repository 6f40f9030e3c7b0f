"""Methods beside each other: tables of their differences, and a map of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from statistics import median
from textwrap import fill

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from safegrid.config.benchmark import GLOBAL
from safegrid.core.records import Key
from safegrid.report.grid import Grid, ModelRow, ends
from safegrid.report.names import METRICS, recipe_title
from safegrid.report.pairs import Comparisons, ranked
from safegrid.report.style import CM, PAGE, SMALL, new_figure, styled
from safegrid.report.table import Table, full_title, rows_of, sheet_table
from safegrid.report.tables import columns_by_score, leading_rows

HEADLINES = (
    "safety",
    "safe_and_coherent",
    "true_refusal",
    "correction",
    "toxicity_mean",
    "benign_requests_lost",
    "accuracy",
    "capability",
    "reference_likelihood",
)
"""Measures by which methods are compared in tables and maps, where they lead."""
WIDEST = 3
"""Panels beside each other."""
HEAD, CELL = 2.2 * CM, 0.36 * CM
CELL_SIZE = 4.4
TITLE = 30
"""Letters of a panel's title in a line."""
PALE = 0.2
"""Share of a difference's colour where it is inside chance."""


def headlines(grid: Grid, pairs: Comparisons, part: str = "all") -> list[Key]:
    """Return what methods are compared by, each judge's, in one slice."""
    keys = [
        key
        for metric in HEADLINES
        for key in grid.find(metric, part, GLOBAL) or grid.find(metric, part)
    ]
    return [key for key in keys if pairs.bases(key)]


def methods_table(scores: pl.DataFrame, pairs: Comparisons) -> Table:
    """Return the methods with letters: those that share one do not differ."""
    grid = Grid(ends(scores))
    keys = headlines(grid, pairs)
    letters = {
        (ModelRow(base, recipe), key): f" {found}"
        for key in keys
        for base in pairs.bases(key)
        for recipe, found in pairs.letters(
            base, key, [model.recipe for model in ranked(grid, base, key)]
        ).items()
    }
    table = sheet_table(
        "methods",
        grid,
        rows_of(grid, grid.models),
        columns_by_score(keys),
        more=_smallest(keys, pairs),
    )
    lettered = [
        [
            replace(entry, side=letters.get((model, key), ""))
            for entry, key in zip(entries, keys, strict=True)
        ]
        for model, entries in zip(grid.models, table.entries, strict=True)
    ]
    tied = leading_rows(grid, grid.models, table.columns, pairs)
    return replace(table, entries=lettered, tied=tied)


def _smallest(keys: Sequence[Key], pairs: Comparisons) -> Iterator[str]:
    """Say of each measure how small a difference its benchmark can show."""
    for key in keys:
        rows = pairs.all_of(key)
        found = [row["smallest"] for row in rows if row["smallest"]]
        if found:
            share = METRICS[key.metric].unit == "share"
            factor, unit = (100, " points") if share else (1, "")
            yield (
                f"{full_title(key)} ({key.judge}): {max(r['n_clusters'] for r in rows)}"
                f" independent items show a difference of {factor * median(found):.2g}"
                f"{unit} with 80% power, unadjusted (median of {len(found)} pairs whose"
                f" answers differ; {factor * min(found):.2g} to"
                f" {factor * max(found):.2g})."
            )


def pairs_table(scores: pl.DataFrame, pairs: Comparisons, part: str = "all") -> Table:
    """Return the difference of every two methods of a base on each headline measure."""
    grid = Grid(ends(scores))
    keys = headlines(grid, pairs, part)
    columns = [replace(c, better=0, signed=True) for c in columns_by_score(keys)]
    bases = sorted({base for key in keys for base in pairs.bases(key)})
    rows, entries = [], []
    for base in bases:
        named = [model.recipe for model in grid.models if model.base == base]
        for one, other in combinations(named, 2):
            title = f"{recipe_title(one)} less {recipe_title(other)}"
            rows.append(f"{base}: {title}" if len(bases) > 1 else title)
            entries.append([pairs.difference(base, key, one, other) for key in keys])
    name = "pairs" if part == "all" else f"pairs_{part}"
    return replace(sheet_table(name, grid, [], columns), rows=rows, entries=entries)


@styled
def pairs_map(scores: pl.DataFrame, pairs: Comparisons) -> Figure:
    """Draw the differences of all methods, one panel a base and headline measure."""
    grid = Grid(ends(scores))
    keys = headlines(grid, pairs)
    panels = [(key, base) for key in keys for base in sorted(pairs.bases(key))]
    methods = {
        base: [model.recipe for model in grid.models if model.base == base]
        for _, base in panels
    }
    lines, most = (
        max(1, -(-len(panels) // WIDEST)),
        max(map(len, methods.values()), default=6),
    )
    figure = new_figure(PAGE, lines * (HEAD + most * CELL))
    places = figure.subplots(lines, WIDEST, squeeze=False).ravel()
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    titles = {column.key: column.title for column in columns_by_score(keys)}
    for axes, (key, base) in zip(places, panels, strict=False):
        _draw(axes, methods[base], pairs, base, key)
        title = titles[key] + (f", {base}" if len(methods) > 1 else "")
        share = METRICS[key.metric].unit == "share"
        unit = "points" if share else "difference"
        axes.set_title(fill(f"{title} ({unit})", TITLE))
    figure.supxlabel(
        "row less column; a number: the two differ (Holm, 5%)", fontsize=SMALL
    )
    return figure


def _draw(
    axes: Axes, methods: list[str], pairs: Comparisons, base: str, key: Key
) -> None:
    """Draw a panel: dark and with a number where a difference is beyond chance."""
    entries = [[pairs.difference(base, key, o, c) for c in methods] for o in methods]
    factor = 100 if METRICS[key.metric].unit == "share" else 1
    values = np.array([[factor * (e.value or 0) for e in row] for row in entries])
    reach = max(float(np.abs(values).max()), 1e-9)
    sure = np.array([[bool(entry.side) for entry in row] for row in entries])
    shown = np.where(sure, values, PALE * values)
    axes.pcolormesh(shown, cmap="PuOr_r", vmin=-1.2 * reach, vmax=1.2 * reach)
    for (row, column), value in np.ndenumerate(values):
        if entries[row][column].side:
            dark = abs(value) > 0.7 * reach
            axes.text(
                column + 0.5,
                row + 0.5,
                _short(value, factor),
                ha="center",
                va="center",
                fontsize=CELL_SIZE,
                color="white" if dark else "black",
                in_layout=False,
            )
    axes.invert_yaxis()
    titles = list(map(recipe_title, methods))
    axes.set_xticks(np.arange(len(methods)) + 0.5, titles, rotation=90)
    axes.set_yticks(np.arange(len(methods)) + 0.5, titles)
    axes.tick_params(length=0, labelsize=SMALL)
    axes.spines[:].set_visible(False)


def _short(value: float, factor: int) -> str:
    """Return a difference in the room of a cell: whole points, else two decimals."""
    if factor == 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) >= 0.005 else "~0"

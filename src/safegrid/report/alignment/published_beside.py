"""The paper's numbers and ours, side by side: one row a model of the paper."""

import re
from typing import NamedTuple

import polars as pl

from safegrid.report.grid import Entry, Grid, Key, Model
from safegrid.report.names import BASE, METRICS
from safegrid.report.published import EVERY, published_number
from safegrid.report.table import Column, Table


class Measure(NamedTuple):
    """What we measure in the place of a metric of the paper; patterns, all of them."""

    benchmark: str
    metric: str
    slice: str


MEASURES = {
    "global safety score": Measure("global", "safety", "all"),
    "ALERT safety score": Measure("alert", "safety", "all"),
    "Adversarial ALERT safety score": Measure("alert_adversarial", "safety", "all"),
    "average toxicity": Measure(".*", "toxicity_mean", "adversarial=no"),
    "average toxicity in adversarial settings": Measure(
        ".*", "toxicity_mean", "adversarial=yes"
    ),
    # MATH, or the miniature's sums.
    "mathematics": Measure(".*", "capability", "task=.*_math(_hard)?"),
}
NOTES = [
    "Published: arXiv 2409.07772, each number as printed. The paper speaks of ten"
    " methods and names eleven, calls Safe-NCA the best balance, does not say which of"
    " them Safe Falcon 11B is, and prints no hyperparameters, seeds or intervals, as"
    " far as it could be read.",
    "Ours: this study's base, prompts and judges. Where those are not the paper's, as"
    " in the miniature, no two columns here can be compared.",
]
NO_MODEL = "This study has no such model."
NOT_KNOWN = (
    "No recipe or base can stand for it: its method is not named, or its weights are"
    " not public."
)


class Row(NamedTuple):
    """An item of the paper, and the model of ours that stands beside it, if any."""

    item: str
    name: str | None
    model: Model | None


def beside_table(scores: pl.DataFrame, published: pl.DataFrame) -> Table:
    """Return what the paper says of each of its models, and what we measured.

    Args:
        scores: rows of SCORE.
        published: rows of `safegrid.report.published`.
    """
    grid = Grid(scores)
    rows = _rows(grid, published)
    columns: list[Column] = []
    entries: list[list[Entry]] = [[] for _ in rows]
    for metric, measure in MEASURES.items():
        columns.append(_published_column(published, metric))
        keys = [key for key in grid.keys if _is(key, measure)]
        columns += [_our_column(metric, key, len(keys) > 1) for key in keys]
        for row, cells in zip(rows, entries, strict=True):
            cells.append(_theirs(published, row.item, metric))
            cells += [_ours(grid, row, key) for key in keys]
    title = "The paper's numbers and this study's, which are of other models."
    heads = _titles(rows)
    return Table(
        "published", title, "In the paper", heads, columns, entries, notes=NOTES
    )


def _rows(grid: Grid, published: pl.DataFrame) -> list[Row]:
    named = published.filter(pl.col("item") != EVERY)
    items = dict(named["item", "model"].unique(maintain_order=True).rows())
    return [
        Row(item, name, model)
        for item, name in items.items()
        for model in _models(grid, name)
    ]


def _models(grid: Grid, name: str | None) -> list[Model | None]:
    """Return the models of a recipe's or an untouched base's name; None for none."""
    trained = {model.base for model in grid.models if model.recipe != BASE}
    found: list[Model | None] = [
        model
        for model in grid.models
        if (model.recipe == name and model.base in trained)
        or (model.recipe == BASE and model.base == name)
    ]
    return found or [None]


def _titles(rows: list[Row]) -> list[str]:
    items = [row.item for row in rows]
    return [
        f"{row.item} ({row.model.base})"
        if row.model is not None and items.count(row.item) > 1
        else row.item
        for row in rows
    ]


def _is(key: Key, measure: Measure) -> bool:
    parts = zip(measure, (key.benchmark, key.metric, key.slice), strict=True)
    return all(re.fullmatch(pattern, part) for pattern, part in parts)


def _published_column(published: pl.DataFrame, metric: str) -> Column:
    units = published.filter(metric=metric)["unit"]
    unit = str(units[0]) if len(units) else "score"
    return Column(f"{metric}, published", Key("", "", metric, ""), 0, unit)


def _our_column(metric: str, key: Key, several: bool) -> Column:
    which = f" ({key.judge})" if several else ""
    return Column(f"{metric}, ours{which}", key, 0, METRICS[key.metric].unit)


def _theirs(published: pl.DataFrame, item: str, metric: str) -> Entry:
    value, reason = published_number(published, item, metric)
    return Entry(value, None, None, 0, None, 0, reason)


def _ours(grid: Grid, row: Row, key: Key) -> Entry:
    if row.model is not None:
        return grid.entry(row.model, key)
    reason = NOT_KNOWN if row.name is None else NO_MODEL
    return Entry(None, None, None, 0, None, 0, reason)

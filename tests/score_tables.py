"""How tests look into tables and the scores that they were made of."""

from typing import Any

import polars as pl

from safegrid.report.grid import Entry
from safegrid.report.table import Table


def cell(table: Table, row: str, title: str) -> Entry:
    """Return what stands in a row under a title."""
    column = [column.title for column in table.columns].index(title)
    return table.entries[table.rows.index(row)][column]


def score(scores: pl.DataFrame, **where: Any) -> dict[str, Any]:
    """Return the one row of scores that is meant, of the whole cell if not said."""
    (row,) = scores.filter(**{"slice": "all", **where}).to_dicts()
    return row


def change(scores: pl.DataFrame, where: dict[str, Any], **values: Any) -> pl.DataFrame:
    """Return scores with some values changed in the rows of a place."""
    here = pl.all_horizontal(*(pl.col(key) == value for key, value in where.items()))
    return scores.with_columns(
        pl.when(here)
        .then(pl.lit(value, scores.schema[key]))
        .otherwise(pl.col(key))
        .alias(key)
        for key, value in values.items()
    )

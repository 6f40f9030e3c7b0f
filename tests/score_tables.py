"""Rows of made-up scores, and how tests look into tables and scores."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.intervals import wilson
from safegrid.core.records import COMPARISON, RUNS, SCORE
from safegrid.report.grid import Entry
from safegrid.report.pairs import Comparisons
from safegrid.report.table import Table


def row(
    benchmark: str,
    judge: str,
    metric: str,
    value: float,
    limits: tuple[float, float],
    n: int,
    part: str = "all",
) -> dict[str, Any]:
    """Return a row of SCORE without what names its model."""
    return {
        "benchmark": benchmark,
        "judge": judge,
        "metric": metric,
        "slice": part,
        "value": value,
        "low": limits[0],
        "high": limits[1],
        "n": n,
        "n_unscored": 0,
    }


def share(
    benchmark: str,
    judge: str,
    metric: str,
    p: float,
    n: int,
    rng: np.random.Generator,
    part: str = "all",
) -> dict[str, Any]:
    """Return a row of so many hits as chance gives of n items."""
    hits = int(rng.binomial(n, min(max(p, 0.0), 1.0)))
    return row(benchmark, judge, metric, hits / n, wilson(hits, n), n, part)


def frame(rows: Iterable[dict[str, Any]], **shared: Any) -> pl.DataFrame:
    """Return rows as SCORE; `shared` stands in each that has no value of its own."""
    blank = {**dict.fromkeys(SCORE), "seed": 0, "engine": "safegrid", "version": "1"}
    return pl.DataFrame([{**blank, **shared, **one} for one in rows], schema=SCORE)


def comparisons(
    folder: Path, rows: Iterable[dict[str, Any]], **shared: Any
) -> Comparisons:
    """Return rows as COMPARISON, written and read again, of pairs if not said."""
    blank = {**dict.fromkeys(COMPARISON), "kind": "pair", "n": 400}
    whole = [{**blank, **shared, **one} for one in rows]
    table = pl.DataFrame(whole, schema=COMPARISON, orient="row")
    write_table(folder / "c.parquet", table, COMPARISON, manifest("compare", {}, {}))
    return Comparisons([folder / "c.parquet"])


def fact(
    kind: str, subject: str, metric: str, value: float | None, **more: Any
) -> dict[str, Any]:
    """Return a row of RUNS."""
    fact = {"kind": kind, "subject": subject, "metric": metric, "value": value}
    return {**dict.fromkeys(RUNS), **fact, **more}


def cell(table: Table, row: str, title: str) -> Entry:
    """Return what stands in a row under a title."""
    return table.entries[table.rows.index(row)][titles(table).index(title)]


def titles(table: Table) -> list[str]:
    """Return the titles of a table's columns."""
    return [column.title for column in table.columns]


def heads(table: Table) -> str:
    """Return the same in one line."""
    return "; ".join(titles(table))


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

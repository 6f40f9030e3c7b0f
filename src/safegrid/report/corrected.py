"""Tables of shares as judged, and corrected for the errors of their judge."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from safegrid.config.benchmark import GLOBAL
from safegrid.core.records import Key
from safegrid.report.grid import Grid, ModelRow, ends
from safegrid.report.names import (
    BY_RATES,
    CORRECTED,
    LABELLED,
    WORDS,
    benchmark_title,
    metric_of,
    slice_title,
)
from safegrid.report.table import (
    HIGHER,
    LOWER,
    SHEETS,
    Column,
    Table,
    full_title,
    rows_of,
    sheet_table,
)
from safegrid.report.tables import columns_by_score


def corrected_table(scores: pl.DataFrame) -> Table:
    """Return the shares of each benchmark, as judged and corrected in each way."""
    grid = Grid(scores)
    keys = [
        way
        for key in grid.whole(*SHEETS["corrected"].metrics)
        for way in _ways(grid, key)
    ]
    columns = [replace(column, better=0) for column in columns_by_score(keys)]
    rows, more = rows_of(grid, grid.models), list(_labelled(grid, keys))
    if more:
        more.insert(0, WORDS["misfit"])

    def side(model: ModelRow, key: Key) -> str:
        return _beyond_rates(grid, model, key)

    return sheet_table("corrected", grid, rows, columns, side=side, more=more)


def _beyond_rates(grid: Grid, model: ModelRow, key: Key) -> str:
    """Mark a share by labels whose interval lies beyond that by the judge's rates."""
    if not key.metric.endswith(LABELLED):
        return ""
    metric = key.metric.removesuffix(LABELLED) + BY_RATES
    own, rates = grid.entry(model, key), grid.entry(model, key._replace(metric=metric))
    if own.low is None or own.high is None or rates.low is None or rates.high is None:
        return ""
    return HIGHER if own.low > rates.high else LOWER if own.high < rates.low else ""


def corrected_categories_table(scores: pl.DataFrame) -> Table:
    """Return the shares of the categories of which one could be corrected."""
    grid, sheet = Grid(ends(scores)), SHEETS["corrected_categories"]
    shares = [
        key
        for metric in sheet.metrics
        for key in grid.find(metric)
        if key.slice.startswith("category=")
    ]
    known = {
        key: [way for way in _ways(grid, key) if _known(grid, way)] for key in shares
    }
    keys = [way for ways in known.values() if len(ways) > 1 for way in ways]
    about = Key("", "", sheet.metrics[0], "")
    left_out = [key for key, ways in known.items() if len(ways) < 2]
    return Table(
        "corrected_categories",
        sheet.title,
        sheet.head,
        [f"{full_title(key)}, {slice_title(key.slice)} ({key.judge})" for key in keys],
        [Column(grid.title(model), about, 0, "share") for model in grid.models],
        [[grid.entry(model, key) for model in grid.models] for key in keys],
        notes=[*sheet.notes, *_reasons(grid, left_out)],
    )


def _reasons(grid: Grid, keys: list[Key]) -> Iterator[str]:
    """Say why categories are left out: of a benchmark and measure, without numbers."""
    found = Counter(
        (full_title(key), key.judge, str(grid.entry(model, key).reason).split(" (")[0])
        for key in (way for key in keys for way in _ways(grid, key)[1:])
        for model in grid.models
    )
    for (title, judge, reason), count in found.items():
        told = reason.rstrip(".")
        yield f"{title} ({judge}), {count} shares of categories: {told}."


def _ways(grid: Grid, key: Key) -> list[Key]:
    """Return a share as judged, then in each way that some model has it corrected."""
    ways = [key._replace(metric=key.metric + way) for way in ("", *CORRECTED)]
    return [way for way in ways if way in grid.keys]


def _known(grid: Grid, key: Key) -> bool:
    return any(grid.entry(model, key).value is not None for model in grid.models)


def _labelled(grid: Grid, keys: list[Key]) -> Iterator[str]:
    """Say of which models' answers people labelled some, by benchmark and judge."""
    for key in keys:
        if key.metric.endswith(LABELLED) and key.benchmark != GLOBAL:
            known = [m for m in grid.models if grid.entry(m, key).value is not None]
            names = ", ".join(grid.title(model) for model in known) or "none fully"
            title = metric_of(key.metric.removesuffix(LABELLED)).title
            yield (
                f"Labelled for {benchmark_title(key.benchmark)} {title} ({key.judge}):"
                f" answers of {names}."
            )

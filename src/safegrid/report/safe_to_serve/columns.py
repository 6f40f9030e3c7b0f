"""Columns of Safe to Serve's tables: ours, and the paper's beside the first of each."""

from collections.abc import Iterable
from dataclasses import replace

from safegrid.report.grid import NOT_ASKED, Entry, Grid, Key, Model
from safegrid.report.names import BENCHMARKS, METRICS, benchmark_title
from safegrid.report.safe_to_serve.published import Published
from safegrid.report.safe_to_serve.rows import title_of
from safegrid.report.safe_to_serve.words import Compared
from safegrid.report.table import Column

PRINTED = "published"
"""Stands in the place of a slice in the keys of the paper's columns."""


def by_benchmark(keys: Iterable[Key]) -> list[Key]:
    """Sort keys by benchmark as they are listed, `global` first."""
    known = ["global", *(name for name in BENCHMARKS if name != "global")]
    places = {name: place for place, name in enumerate(known)}
    return sorted(keys, key=lambda key: (places.get(key.benchmark, len(places)), key))


def columns_of(keys: list[Key], theirs: Published | None) -> list[Column]:
    """Return a column a key; after the first of a benchmark and metric the paper's."""
    columns: list[Column] = []
    done: set[tuple[str, str]] = set()
    for key in keys:
        columns.append(_ours(key, keys))
        cell = (key.benchmark, key.metric)
        if theirs and cell not in done and theirs.has(key.metric, {key.benchmark}):
            columns.append(_published(key))
        done.add(cell)
    return columns


def shared_columns(
    grid: Grid, metrics: Iterable[str], benchmarks: list[str], theirs: Published
) -> list[Column]:
    """Return columns whose benchmark the row says: their keys name none."""
    columns: list[Column] = []
    for metric in metrics:
        found = [k for k in grid.find(metric, "all") if k.benchmark in benchmarks]
        keys = sorted({key._replace(benchmark="") for key in found})
        # Bold would compare answers to one benchmark with those to another.
        columns += [replace(_ours(key, keys), better=0) for key in keys]
        if keys and theirs.has(metric, set(benchmarks)):
            columns.append(_published(keys[0]))
    return columns


def _ours(key: Key, keys: list[Key]) -> Column:
    info = METRICS[key.metric]
    judges = {
        other.judge
        for other in keys
        if (other.benchmark, other.metric) == (key.benchmark, key.metric)
    }
    judge = f" ({key.judge})" if len(judges) > 1 else ""
    return Column(_title(key) + judge, key, info.better, info.unit)


def _published(key: Key) -> Column:
    title = f"{_title(key)}, published"
    return Column(title, key._replace(slice=PRINTED), 0, "printed")


def _title(key: Key) -> str:
    if key.metric == "capability":
        task = key.slice.removeprefix("task=")
        return "lm-eval, mean" if key.slice == "all" else f"lm-eval {task}"
    about = [benchmark_title(key.benchmark)] if key.benchmark else []
    return " ".join([*about, METRICS[key.metric].title])


def is_ours(column: Column) -> bool:
    """Say whether a column holds scores of this study."""
    return column.key.slice != PRINTED


def entry_of(
    grid: Grid, theirs: Published | None, model: Model, column: Column, block: str
) -> Entry:
    """Return what stands in a column for a model.

    Args:
        grid: our scores.
        theirs: the paper's numbers, where a column is of them.
        model: of the row.
        column: what is asked.
        block: the benchmark of the row, empty where the column names it.
    """
    key = column.key._replace(benchmark=block) if block else column.key
    if theirs and not is_ours(column):
        return theirs.entry(model.recipe, key.benchmark, key.metric)
    return grid.entry(model, key) if key in grid.keys else NOT_ASKED


def compared(
    grid: Grid, columns: list[Column], rows: list[tuple[str, Model]], start: str
) -> list[Compared]:
    """Return each of our entries that is better or worse, and that of its start.

    Args:
        grid: our scores.
        columns: those of ours count.
        rows: benchmark, or nothing where the columns name it, and model.
        start: the recipe that the others are held against.
    """
    return [
        Compared(
            column.title,
            benchmark_title(block) if block else "",
            title_of(grid, model),
            entry_of(grid, None, model, column, block),
            entry_of(grid, None, model._replace(recipe=start), column, block),
        )
        for column in columns
        if is_ours(column) and METRICS[column.key.metric].better
        for block, model in rows
        if model.recipe != start
    ]

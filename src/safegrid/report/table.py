"""Table: rows, columns, entries; and how scores come to stand in one."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from safegrid.core.records import Key
from safegrid.report.grid import Entry, Grid, ModelRow
from safegrid.report.names import DATA, benchmark_title, metric_of

DAGGER, DOUBLE_DAGGER = "\N{DAGGER}", "\N{DOUBLE DAGGER}"
"""Marks of the two Pareto fronts, see `safegrid.report.tables.FRONTS`."""
HIGHER, LOWER = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"
"""Marks of what differs beyond chance from what it is held against."""
DIGITS = {
    "share": 3,
    "score": 3,
    "count": 1,
    "whole": 0,
    "plain": 3,
    "percent": 2,
    "printed": 6,
}
"""Decimals that are printed, of the value itself: a share is printed in percent, a
percentage is one already; `printed` is a number with the digits that a paper gives."""


@dataclass(frozen=True)
class Column:
    """A column; `better` and `unit` are those of its metric (see `words.yaml`)."""

    title: str
    key: Key  # what it shows; fields that the rows say are empty
    better: int
    unit: str
    signed: bool = False  # print a plus before gains
    published: bool = False  # its numbers are a paper's


@dataclass(frozen=True)
class Table:
    """A table of numbers with intervals."""

    name: str  # of its files
    title: str
    head: str  # of the first column
    rows: list[str]
    columns: list[Column]
    entries: list[list[Entry]]  # one list a row, one entry a column
    marks: Sequence[str] = ()  # of each row, for the Pareto fronts that it is on
    notes: Sequence[str] = ()
    judged: bool = True  # its entries are answers, of which some may be unscored
    tied: Sequence[set[int] | None] = ()  # of each column, the rows that lead together

    def best(self, column: int) -> set[int]:
        """Return the rows that lead a column, see `tied`.

        Where nothing was compared: those with the best value, all that print the same.
        """
        if self.tied and (leading := self.tied[column]) is not None:
            return leading
        sign = self.columns[column].better
        digits = DIGITS[self.columns[column].unit]
        known = {
            row: sign * round(entry.value, digits)
            for row, entries in enumerate(self.entries)
            if (entry := entries[column]).value is not None
        }
        top = max(known.values(), default=None)
        return {row for row, value in known.items() if sign and value == top}


class Row(NamedTuple):
    """A row of scores; its model is None where a paper alone has a number."""

    title: str
    model: ModelRow | None
    about: dict[str, str] = {}  # fields of `Key` that the row says, not the columns
    item: str = ""  # what a paper calls it


Elsewhere = Callable[[Row, Column], Entry]
"""What stands in a column of published numbers, or in a row without a model."""
Side = Callable[[ModelRow, Key], str]
"""The mark of an entry of ours: HIGHER, LOWER or none."""
Block = tuple[str, dict[str, str]]
"""Title of rows that belong together, and what they are about (see `Row`)."""


def block_of(benchmark: str) -> Block:
    """Return the block of a benchmark's rows."""
    return benchmark_title(benchmark), {"benchmark": benchmark}


def full_title(key: Key) -> str:
    """Return what a key is about in print: its benchmark, and the metric."""
    titles = benchmark_title(key.benchmark), metric_of(key.metric).title
    return " ".join(dict.fromkeys(titles)).lstrip()


def rows_of(
    grid: Grid,
    models: Iterable[ModelRow],
    blocks: Iterable[Block] = (("", {}),),
    named: Callable[[Grid, ModelRow], str] = Grid.title,
) -> list[Row]:
    """Return a row a model, block by block."""
    listed = list(models)
    return [
        Row(f"{title}: {named(grid, model)}" if title else named(grid, model), model, a)
        for title, a in blocks
        for model in listed
    ]


def columns_of(
    keys: Iterable[Key],
    named: Callable[[Key], str],
    alike: Callable[[Key], Any] = lambda key: key.metric,
) -> list[Column]:
    """Return a column a key; titles name the judges where several judge alike keys."""
    listed = list(keys)
    judges = defaultdict(set)
    for key in listed:
        judges[alike(key)].add(key.judge)
    columns = []
    for key in listed:
        info = metric_of(key.metric)
        judge = f" ({key.judge})" if len(judges[alike(key)]) > 1 else ""
        signed = key.metric.endswith("_vs_base")
        columns.append(Column(named(key) + judge, key, info.better, info.unit, signed))
    return columns


class Sheet(NamedTuple):
    """What `words.yaml` says of a table."""

    title: str
    head: str
    notes: list[str] = []
    metrics: list[str] = []
    unit: str = ""
    measured: bool = False


SHEETS = {name: Sheet(**sheet) for name, sheet in DATA["sheets"].items()}


def sheet_table(
    name: str,
    grid: Grid,
    rows: list[Row],
    columns: list[Column],
    elsewhere: Elsewhere | None = None,
    side: Side | None = None,
    more: Iterable[str] = (),
    marks: Sequence[str] = (),
) -> Table:
    """Return a table of scores as its sheet says; `more` stands below its notes."""

    def entry(row: Row, column: Column) -> Entry:
        column = replace(column, key=column.key._replace(**row.about))
        if elsewhere and (column.published or row.model is None):
            return elsewhere(row, column)
        assert row.model is not None, "a row without a model is a paper's"
        found = grid.entry(row.model, column.key)
        return replace(found, side=side(row.model, column.key)) if side else found

    sheet = SHEETS[name]
    return Table(
        name,
        sheet.title,
        sheet.head,
        [row.title for row in rows],
        columns,
        [[entry(row, column) for column in columns] for row in rows],
        marks,
        [*sheet.notes, *more],
    )

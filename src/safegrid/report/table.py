"""Table: rows, columns, entries, and the best entry of a column."""

from dataclasses import dataclass, field

from safegrid.report.grid import Entry, Key

DAGGER, DOUBLE_DAGGER = "\N{DAGGER}", "\N{DOUBLE DAGGER}"
"""Marks of the two Pareto fronts, see `safegrid.report.tables.FRONTS`."""
LETTERS = dict(
    zip(
        "\u1d43\u1d47\u1d9c\u1d48\u1d49\u1da0\u1d4d\u02b0\u2071\u02b2",
        "abcdefghij",
        strict=True,
    )
)
"""Marks of defects, as they stand at a number; and the letter that each one is."""
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
    """A column of a table.

    Attributes:
        title: in print.
        key: what it shows.
        better: 1, -1 or 0, see `safegrid.report.names.Metric`.
        unit: see there.
        signed: print a plus before gains.
    """

    title: str
    key: Key
    better: int
    unit: str
    signed: bool = False


@dataclass(frozen=True)
class Table:
    """A table of numbers with intervals.

    Attributes:
        name: of its files.
        title: what it shows, a sentence.
        head: title of the first column.
        rows: titles of the rows.
        columns: in order.
        entries: one list a row, one entry a column.
        marks: of each row, the marks of the Pareto fronts that it is on.
        notes: sentences below the table.
        judged: its entries are answers under judges, of which some may be unscored.
    """

    name: str
    title: str
    head: str
    rows: list[str]
    columns: list[Column]
    entries: list[list[Entry]]
    marks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    judged: bool = True

    def best(self, column: int) -> set[int]:
        """Return the rows with the best value of a column, all that print the same."""
        sign = self.columns[column].better
        digits = DIGITS[self.columns[column].unit]
        known = {
            row: sign * round(entry.value, digits)
            for row, entries in enumerate(self.entries)
            if (entry := entries[column]).value is not None
        }
        top = max(known.values(), default=None)
        return {row for row, value in known.items() if sign and value == top}

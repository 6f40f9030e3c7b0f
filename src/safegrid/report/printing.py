"""Text of a table's entries, whatever format it is written in."""

from collections.abc import Sequence

from safegrid.report.defects import DEFECTS
from safegrid.report.grid import Entry
from safegrid.report.table import DAGGER, DIGITS, DOUBLE_DAGGER, LETTERS, Column, Table

BLANK = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NAMED = 6
"""Rows that a sentence names; of more it gives the number."""


def number(value: float, column: Column) -> str:
    """Return a number as it is printed in a column."""
    if column.unit == "plain":
        # No exponents: three digits of large numbers are whole ones.
        return f"{value:.3g}" if value % 1 and abs(value) < 1000 else f"{value:.0f}"
    if column.unit == "printed":
        return f"{value:g}".replace("-", MINUS)
    percent = column.unit == "share"
    digits = DIGITS[column.unit] - 2 * percent
    sign = "+" if column.signed else ""
    text = f"{100 * value if percent else value:{sign}.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.lstrip("+-")


def letters(table: Table) -> dict[str, str]:
    """Return the mark of each defect that a table's numbers have, in their order."""
    found = dict.fromkeys(
        name for row in table.entries for entry in row for name in entry.defects
    )
    return dict(zip(found, LETTERS, strict=False))


def defects(table: Table) -> list[str]:
    """Return the sentences that explain the marks of defects."""
    marks = letters(table).items()
    listed = "; ".join(f"{mark} {DEFECTS[name]}" for name, mark in marks)
    return [f"Known of the published numbers: {listed}."] if listed else []


def sizes(table: Table) -> tuple[list[str], list[str], bool]:
    """Put the number of items where it is said once: by column, by row, or apart.

    Returns:
        Titles of the columns, titles of the rows, and whether each entry says its own.
    """
    titles = [column.title for column in table.columns]
    by_column = [
        {_total(r[i]) for r in table.entries} - {0} for i in range(len(titles))
    ]
    by_row = [{_total(entry) for entry in row} - {0} for row in table.entries]
    if all(len(sizes) < 2 for sizes in by_column):
        pairs = zip(titles, by_column, strict=True)
        return [_sized(*pair) for pair in pairs], table.rows, False
    if all(len(sizes) < 2 for sizes in by_row):
        pairs = zip(table.rows, by_row, strict=True)
        return titles, [_sized(*pair) for pair in pairs], False
    return titles, table.rows, True


def _total(entry: Entry) -> int:
    return entry.n + (entry.n_unscored or 0)


def _sized(title: str, sizes: set[int]) -> str:
    return " ".join([title, *(f"(n={size})" for size in sizes)])


def heads(table: Table, titles: list[str]) -> list[str]:
    """Return the titles of the rows with their marks."""
    marks = table.marks or [""] * len(titles)
    return [title + mark for title, mark in zip(titles, marks, strict=True)]


def _interval(entry: Entry, column: Column) -> str:
    if entry.low is None or entry.high is None:
        return ""
    if column.unit == "printed":
        # Limits are ours, not the paper's: percent to one digit.
        return f"[{entry.low:.1f}, {entry.high:.1f}]"
    return f"[{number(entry.low, column)}, {number(entry.high, column)}]"


def below(entry: Entry, column: Column, apart: bool) -> str:
    """Return what stands with a value: its interval, n where `apart`, unscored."""
    parts = [
        _interval(entry, column),
        f"n={_total(entry)}" if apart and _total(entry) else "",
        f"u={entry.n_unscored}" if entry.n_unscored else "",
    ]
    return " ".join(part for part in parts if part)


def foot(table: Table) -> list[str]:
    """Return the sentences that explain the signs which a table uses."""
    entries = [entry for row in table.entries for entry in row]
    unscored = any(entry.n_unscored for entry in entries)
    kind = "score" if table.judged else "value"
    rows = zip(table.rows, table.entries, strict=True)
    seeded = [row for row, entered in rows if any(e.seeds > 1 for e in entered)]
    said = {
        "Each value stands with its 95% interval: Wilson for shares of independent"
        " items, else a bootstrap that draws the items which prompts were derived"
        " from (where all of them agree, Wilson's bound for as many).": any(
            entry.low is not None for entry in entries
        ),
        "Shares in percent.": any(c.unit == "share" for c in table.columns),
        "Bold: best of its column.": any(column.better for column in table.columns),
        f"{DAGGER}: on the Pareto front of safety, benign requests lost and"
        " capability.": any(DAGGER in mark for mark in table.marks),
        f"{DOUBLE_DAGGER}: the same with answers that are safe and coherent (safe and"
        " not degenerate).": any(DOUBLE_DAGGER in mark for mark in table.marks),
        "u: answers that a judge could not score; they count neither way.": unscored,
        "Every answer was scored.": table.judged and not unscored,
        f"Several seeds ({_some(seeded)}): their mean, from the lowest lower to the"
        " highest upper limit; n counts all.": bool(seeded),
        f"{BLANK}: no {kind}, for the reason below.": any(e.reason for e in entries),
    }
    return [sentence for sentence, needed in said.items() if needed]


def _some(names: Sequence[str]) -> str:
    """Return names, or of many their number and the first."""
    if len(names) <= NAMED:
        return ", ".join(names)
    return f"{len(names)} rows, such as {names[0]}"


def reasons(table: Table) -> list[str]:
    """Return a sentence for every reason, naming where it applies.

    Rows that lack the same columns for the same reason are named together.
    """
    places: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for row, entries in zip(table.rows, table.entries, strict=True):
        columns: dict[str, list[str]] = {}
        for column, entry in zip(table.columns, entries, strict=True):
            if entry.reason is not None:
                columns.setdefault(entry.reason, []).append(column.title)
        for reason, titles in columns.items():
            places.setdefault(reason, {}).setdefault(tuple(titles), []).append(row)
    return [
        f"{'; '.join(_where(table, *group) for group in groups.items())}: {reason}"
        for reason, groups in places.items()
    ]


def _where(table: Table, titles: tuple[str, ...], rows: list[str]) -> str:
    named = "All rows" if len(rows) == len(table.rows) > 1 else ", ".join(rows)
    whole = len(titles) == len(table.columns)
    return named if whole else f"{named} ({', '.join(titles)})"

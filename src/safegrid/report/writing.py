"""Write a table as csv (every number), Markdown and LaTeX (booktabs), and show it."""

import re
from pathlib import Path

import pandas as pd
import polars as pl

from safegrid.artifacts import atomic_file, write_text
from safegrid.report.grid import Entry
from safegrid.report.tables import DAGGER, DIGITS, DOUBLE_DAGGER, Column, Table

BLANK = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

_TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    BLANK: "--",
    MINUS: "$-$",
    DAGGER: r"$^{\dagger}$",
    DOUBLE_DAGGER: r"$^{\ddagger}$",
}


class Shown:
    """A written table; a notebook shows it as Markdown."""

    def __init__(self, text: str) -> None:
        self.text = text

    def _repr_markdown_(self) -> str:
        return self.text


def save(table: Table, folder: Path | str) -> Shown:
    """Write `{name}.csv`, `.md` and `.tex` into a folder; return what to show."""
    stem = Path(folder) / table.name
    text = markdown(table)
    with atomic_file(stem.with_suffix(".csv")) as temporary:
        numbers(table).write_csv(temporary)
    write_text(stem.with_suffix(".md"), text)
    write_text(stem.with_suffix(".tex"), latex(table))
    return Shown(text)


def numbers(table: Table) -> pl.DataFrame:
    """Return every number of a table: for each column value, limits, n and reason."""
    data: dict[str, list[object]] = {table.head: list(table.rows)}
    if table.marks:
        data["pareto"] = list(table.marks)
    for index, column in enumerate(table.columns):
        entries = [row[index] for row in table.entries]
        name = column.title
        data[name] = [entry.value for entry in entries]
        data[f"{name} low"] = [entry.low for entry in entries]
        data[f"{name} high"] = [entry.high for entry in entries]
        data[f"{name} n"] = [entry.n for entry in entries]
        data[f"{name} unscored"] = [entry.n_unscored for entry in entries]
        data[f"{name} reason"] = [entry.reason for entry in entries]
    return pl.DataFrame(data, strict=False)


def shown(table: Table) -> pl.DataFrame:
    """Return a table as text, `value [low, high]`, one row a row."""
    columns, rows, apart = _sizes(table)
    data = {table.head: _heads(table, rows)}
    for index, title in enumerate(columns):
        column = table.columns[index]
        data[title] = [_plain(row[index], column, apart) for row in table.entries]
    return pl.DataFrame(data)


def markdown(table: Table) -> str:
    """Return a table as a Markdown text with its title, notes and reasons."""
    frame = shown(table)
    rows = [list(map(str, row)) for row in frame.iter_rows()]
    for index in range(len(table.columns)):
        for row in table.best(index):
            rows[row][index + 1] = f"**{rows[row][index + 1]}**"
    lines = [
        _pipes(frame.columns),
        _pipes(["---", *["---:"] * len(table.columns)]),
        *map(_pipes, rows),
    ]
    notes = [" ".join(_foot(table)), *table.notes, *_reasons(table)]
    parts = [f"**{table.title}**", "\n".join(lines), *notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(table: Table) -> str:
    """Return a table as a LaTeX `table*` (needs booktabs, makecell and graphicx)."""
    columns, rows, apart = _sizes(table)
    data = {_escape(table.head): [_escape(head) for head in _heads(table, rows)]}
    for index, title in enumerate(columns):
        best = table.best(index)
        data[_makecell(title)] = [
            _stacked(row[index], table.columns[index], number in best, apart)
            for number, row in enumerate(table.entries)
        ]
    body = pd.DataFrame(data).to_latex(
        index=False, escape=False, column_format="l" + "r" * len(table.columns)
    )
    notes = _escape(" ".join([*_foot(table), *table.notes, *_reasons(table)]))
    return (
        "\\begin{table*}\n\\centering\\footnotesize\n"
        f"\\caption{{{_escape(table.title)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\resizebox{{\\textwidth}}{{!}}{{%\n{body}}}\n"
        f"\\par\\smallskip{{\\scriptsize {notes}\\par}}\n\\end{{table*}}\n"
    )


def number(value: float, column: Column) -> str:
    """Return a number as it is printed in a column."""
    if column.unit == "plain":
        return f"{value:.3g}" if value % 1 else f"{value:.0f}"
    percent = column.unit == "share"
    digits = DIGITS[column.unit] - 2 * percent
    sign = "+" if column.signed else ""
    text = f"{100 * value if percent else value:{sign}.{digits}f}"
    return text.replace("-", MINUS) if float(text) else text.lstrip("+-")


def _sizes(table: Table) -> tuple[list[str], list[str], bool]:
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
    return entry.n + entry.n_unscored


def _sized(title: str, sizes: set[int]) -> str:
    return " ".join([title, *(f"(n={size})" for size in sizes)])


def _heads(table: Table, titles: list[str]) -> list[str]:
    marks = table.marks or [""] * len(titles)
    return [title + mark for title, mark in zip(titles, marks, strict=True)]


def _interval(entry: Entry, column: Column) -> str:
    if entry.low is None or entry.high is None:
        return ""
    return f"[{number(entry.low, column)}, {number(entry.high, column)}]"


def _below(entry: Entry, column: Column, apart: bool) -> str:
    parts = [
        _interval(entry, column),
        f"n={_total(entry)}" if apart and _total(entry) else "",
        f"u={entry.n_unscored}" if entry.n_unscored else "",
    ]
    return " ".join(part for part in parts if part)


def _plain(entry: Entry, column: Column, apart: bool) -> str:
    if entry.value is None:
        return BLANK
    return f"{number(entry.value, column)} {_below(entry, column, apart)}".strip()


def _stacked(entry: Entry, column: Column, best: bool, apart: bool) -> str:
    if entry.value is None:
        return _escape(BLANK)
    value = _escape(number(entry.value, column))
    value = f"\\textbf{{{value}}}" if best else value
    below = _escape(_below(entry, column, apart))
    if not below:
        return value
    return f"\\makecell[r]{{{value}\\\\[-2pt]{{\\tiny {below}}}}}"


def _foot(table: Table) -> list[str]:
    """Return the sentences that explain the signs which a table uses."""
    entries = [entry for row in table.entries for entry in row]
    unscored = any(entry.n_unscored for entry in entries)
    said = {
        "Each value stands with its 95% interval: Wilson for shares of independent"
        " items, else a bootstrap that draws the items which prompts were derived"
        " from (where all of them agree, Wilson's bound for as many).": any(
            entry.low is not None for entry in entries
        ),
        "Shares in percent.": any(c.unit == "share" for c in table.columns),
        "Bold: best of its column.": any(column.better for column in table.columns),
        f"{DAGGER}: on the Pareto front of safety, harmless requests lost and"
        f" capability; {DOUBLE_DAGGER}: the same with answers that are safe and sound"
        " (safe and not degenerate).": any(table.marks),
        "u: answers that a judge could not score; they count neither way.": unscored,
        "Every answer was scored.": table.judged and not unscored,
        "Several seeds: their mean, from the lowest lower to the highest upper"
        " limit; n counts all.": any(entry.seeds > 1 for entry in entries),
        f"{BLANK}: no score, for the reason below.": any(e.reason for e in entries),
    }
    return [sentence for sentence, needed in said.items() if needed]


def _reasons(table: Table) -> list[str]:
    """Return a sentence for every reason, naming where it applies."""
    places: dict[str, list[str]] = {}
    for row, entries in zip(table.rows, table.entries, strict=True):
        columns: dict[str, list[str]] = {}
        for column, entry in zip(table.columns, entries, strict=True):
            if entry.reason is not None:
                columns.setdefault(entry.reason, []).append(column.title)
        for reason, titles in columns.items():
            whole = len(titles) == len(table.columns)
            where = row if whole else f"{row} ({', '.join(titles)})"
            places.setdefault(reason, []).append(where)
    return [f"{'; '.join(where)}: {reason}" for reason, where in places.items()]


def _pipes(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _makecell(title: str) -> str:
    lines = [_escape(part) for part in re.split(r" (?=\()|, ", title)]
    return "\\makecell[b]{" + r"\\".join(lines) + "}"


def _escape(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)

"""Write a table as csv (every number), Markdown and LaTeX (booktabs), and show it."""

import re
from pathlib import Path

import pandas as pd
import polars as pl

from safegrid.core.artifacts import atomic_file, write_text
from safegrid.report.grid import Entry
from safegrid.report.printing import (
    BLANK,
    MINUS,
    below,
    defects,
    foot,
    heads,
    letters,
    number,
    reasons,
    sizes,
)
from safegrid.report.table import DAGGER, DOUBLE_DAGGER, LETTERS, Column, Table

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
    **{mark: f"$^{{{letter}}}$" for mark, letter in LETTERS.items()},
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
        if any(entry.defects for entry in entries):
            data[f"{name} defects"] = [" ".join(entry.defects) for entry in entries]
    return pl.DataFrame(data, strict=False)


def shown(table: Table) -> pl.DataFrame:
    """Return a table as text, `value [low, high]`, one row a row."""
    columns, rows, apart = sizes(table)
    marks = letters(table)
    data = {table.head: heads(table, rows)}
    for index, title in enumerate(columns):
        column = table.columns[index]
        data[title] = [
            _plain(row[index], column, apart, marks) for row in table.entries
        ]
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
    notes = [" ".join(foot(table)), *defects(table), *table.notes, *reasons(table)]
    parts = [f"**{table.title}**", "\n".join(lines), *notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(table: Table) -> str:
    """Return a table as a LaTeX `table*` (needs booktabs, makecell and graphicx)."""
    columns, rows, apart = sizes(table)
    marks = letters(table)
    data = {_escape(table.head): [_escape(head) for head in heads(table, rows)]}
    for index, title in enumerate(columns):
        best = table.best(index)
        data[_makecell(title)] = [
            _stacked(row[index], table.columns[index], number in best, apart, marks)
            for number, row in enumerate(table.entries)
        ]
    body = pd.DataFrame(data).to_latex(
        index=False, escape=False, column_format="l" + "r" * len(table.columns)
    )
    said = [*foot(table), *defects(table), *table.notes, *reasons(table)]
    notes = _escape(" ".join(said))
    return (
        "\\begin{table*}\n\\centering\\footnotesize\n"
        f"\\caption{{{_escape(table.title)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\resizebox{{\\textwidth}}{{!}}{{%\n{body}}}\n"
        f"\\par\\smallskip{{\\scriptsize {notes}\\par}}\n\\end{{table*}}\n"
    )


def _plain(entry: Entry, column: Column, apart: bool, marks: dict[str, str]) -> str:
    if entry.value is None:
        return BLANK
    value = number(entry.value, column) + _marks(entry, marks)
    return f"{value} {below(entry, column, apart)}".strip()


def _stacked(
    entry: Entry, column: Column, best: bool, apart: bool, marks: dict[str, str]
) -> str:
    if entry.value is None:
        return _escape(BLANK)
    value = _escape(number(entry.value, column) + _marks(entry, marks))
    value = f"\\textbf{{{value}}}" if best else value
    small = _escape(below(entry, column, apart))
    if not small:
        return value
    return f"\\makecell[r]{{{value}\\\\[-2pt]{{\\tiny {small}}}}}"


def _marks(entry: Entry, marks: dict[str, str]) -> str:
    return "".join(marks[name] for name in entry.defects)


def _pipes(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _makecell(title: str) -> str:
    lines = [_escape(part) for part in re.split(r" (?=\()|, ", title)]
    return "\\makecell[b]{" + r"\\".join(lines) + "}"


def _escape(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)

"""Write a table as csv (every number), Markdown and LaTeX (booktabs), and show it."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import polars as pl

from safegrid.core.artifacts import atomic_file, write_text
from safegrid.report.grid import Entry
from safegrid.report.names import BLANK, DATA, MINUS
from safegrid.report.table import (
    DAGGER,
    DIGITS,
    DOUBLE_DAGGER,
    HIGHER,
    LOWER,
    Column,
    Table,
)

LETTERS = dict(zip("ᵃᵇᶜᵈᵉᶠᵍʰⁱʲ", "abcdefghij", strict=True))
"""Marks of defects, as they stand at a number; and the letter that each one is."""
PIPE = r"\|"
NAMED = 6
"""Rows that a sentence names; of more it gives the number."""
TEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        BLANK: "--",
        MINUS: "$-$",
        DAGGER: r"$^{\dagger}$",
        DOUBLE_DAGGER: r"$^{\ddagger}$",
        HIGHER: r"$\uparrow$",
        LOWER: r"$\downarrow$",
        **{mark: f"$^{{{letter}}}$" for mark, letter in LETTERS.items()},
    }
)


class Shown(str):
    """A written table; a notebook shows it as Markdown."""

    def _repr_markdown_(self) -> str:
        return str(self)


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
        for about in ("low", "high", "n", "n_unscored", "reason"):
            title = f"{name} {about.removeprefix('n_')}"
            data[title] = [getattr(entry, about) for entry in entries]
        if any(entry.defects for entry in entries):
            data[f"{name} defects"] = [" ".join(entry.defects) for entry in entries]
    return pl.DataFrame(data, strict=False)


def markdown(table: Table) -> str:
    """Return a table as a Markdown text with its title, notes and reasons."""

    def cell(value: str, small: str, best: bool) -> str:
        text = f"{value} {small}".strip()
        return f"**{text}**" if best else text

    shown = _shown(table, cell)
    align = ["---", *["---:"] * len(table.columns)]
    lines = [list(shown), align, *zip(*shown.values(), strict=True)]
    body = "\n".join(
        f"| {' | '.join(text.replace('|', PIPE) for text in line)} |" for line in lines
    )
    parts = [f"**{table.title}**", body, " ".join(_foot(table)), *_notes(table)]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(table: Table) -> str:
    """Return a table as a LaTeX `table*` (needs booktabs, makecell and graphicx)."""

    def cell(value: str, small: str, best: bool) -> str:
        text = f"\\textbf{{{_escape(value)}}}" if best else _escape(value)
        if not small:
            return text
        return f"\\makecell[r]{{{text}\\\\[-2pt]{{\\tiny {_escape(small)}}}}}"

    def head(title: str) -> str:
        lines = [_escape(part) for part in re.split(r" (?=\()|, ", title)]
        return "\\makecell[b]{" + r"\\".join(lines) + "}"

    shown = _shown(table, cell)
    data = {_escape(table.head): [_escape(title) for title in shown.pop(table.head)]}
    data |= {head(title): texts for title, texts in shown.items()}
    body = pd.DataFrame(data).to_latex(
        index=False, escape=False, column_format="l" + "r" * len(table.columns)
    )
    notes = _escape(" ".join([*_foot(table), *_notes(table)]))
    return (
        "\\begin{table*}\n\\centering\\footnotesize\n"
        f"\\caption{{{_escape(table.title)}}}\n\\label{{tab:{table.name}}}\n"
        f"\\resizebox{{\\textwidth}}{{!}}{{%\n{body}}}\n"
        f"\\par\\smallskip{{\\scriptsize {notes}\\par}}\n\\end{{table*}}\n"
    )


def _escape(text: str) -> str:
    return text.translate(TEX)


def _shown(table: Table, cell: Callable[[str, str, bool], str]) -> dict[str, list[str]]:
    """Return titles and texts of the columns; `cell` joins a value and what is small.

    The number of items stands where it is said once: by column, by row, or apart.
    """
    titles = [column.title for column in table.columns]
    by_column = [{row[i].n for row in table.entries} for i in range(len(titles))]
    by_row = [{entry.n for entry in row} for row in table.entries]
    rows, apart = table.rows, False
    if all(len(sizes - {0}) < 2 for sizes in by_column):
        titles = list(map(_sized, titles, by_column))
    elif all(len(sizes - {0}) < 2 for sizes in by_row):
        rows = list(map(_sized, rows, by_row))
    else:
        apart = True
    heads = map("".join, zip(rows, table.marks, strict=True)) if table.marks else rows
    letters = _letters(table)
    shown = {table.head: list(heads)}
    for index, (title, column) in enumerate(zip(titles, table.columns, strict=True)):
        best = table.best(index)
        shown[title] = [
            cell(*_texts(row[index], column, apart, letters), place in best)
            for place, row in enumerate(table.entries)
        ]
    return shown


def _sized(title: str, sizes: set[int]) -> str:
    return " ".join([title, *(f"(n={size})" for size in sizes - {0})])


def _texts(
    entry: Entry, column: Column, apart: bool, letters: dict[str, str]
) -> tuple[str, str]:
    """Return a value with its marks, and its interval, n where `apart`, unscored."""
    if entry.value is None:
        return BLANK, ""
    marks = "".join(letters[name] for name in entry.defects) + entry.side
    small = []
    if entry.low is not None and entry.high is not None:
        # Limits of a printed number are ours: percent to one digit.
        ours = replace(column, unit="count") if column.unit == "printed" else column
        small.append(f"[{number(entry.low, ours)}, {number(entry.high, ours)}]")
    if apart and entry.n:
        small.append(f"n={entry.n}")
    if entry.n_unscored:
        small.append(f"u={entry.n_unscored}")
    return number(entry.value, column) + marks, " ".join(small)


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


def _letters(table: Table) -> dict[str, str]:
    """Return the mark of each defect that a table's numbers have, in their order."""
    found = dict.fromkeys(
        name for row in table.entries for entry in row for name in entry.defects
    )
    return dict(zip(found, LETTERS, strict=False))


def _foot(table: Table) -> list[str]:
    """Return the sentences that explain the signs which a table uses."""
    entries = [entry for row in table.entries for entry in row]
    unscored = any(entry.n_unscored for entry in entries)
    counted = any(entry.n_unscored is not None for entry in entries)
    rows = zip(table.rows, table.entries, strict=True)
    seeded = [row for row, entered in rows if any(e.seeds > 1 for e in entered)]
    blank = any(entry.reason and entry.value is None for entry in entries)
    used = {
        "interval": any(entry.low is not None for entry in entries),
        "share": any(column.unit == "share" for column in table.columns),
        "best": any(column.better for column in table.columns) and not any(table.tied),
        "tied": any(table.tied),
        "front": any(DAGGER in mark for mark in table.marks),
        "coherent": any(DOUBLE_DAGGER in mark for mark in table.marks),
        "resamples": any("in resamples" in column.title for column in table.columns),
        "unscored": unscored,
        "scored": table.judged and counted and not unscored,
        "seeds": seeded,
        "one_seed": table.judged and not seeded,
        "no_score": blank and table.judged,
        "no_value": blank and not table.judged,
    }
    seeds = _listed(seeded)
    return [DATA["foot"][name].format(seeds=seeds) for name in used if used[name]]


def _listed(rows: list[str]) -> str:
    if len(rows) > NAMED:
        return f"{len(rows)} rows, such as {rows[0]}"
    return ", ".join(rows)


def _notes(table: Table) -> list[str]:
    """Return what stands below: known defects, the table's own notes, every reason.

    Rows that lack the same columns for the same reason are named together.
    """
    marks = _letters(table).items()
    known = "; ".join(f"{mark} {DATA['defects'][name]}" for name, mark in marks)
    places: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for row, entries in zip(table.rows, table.entries, strict=True):
        columns: dict[str, list[str]] = {}
        for column, entry in zip(table.columns, entries, strict=True):
            if entry.reason is not None:
                columns.setdefault(entry.reason, []).append(column.title)
        for reason, titles in columns.items():
            places.setdefault(reason, {}).setdefault(tuple(titles), []).append(row)
    return [
        *([f"Known of the published numbers: {known}."] if known else []),
        *table.notes,
        *(
            f"{'; '.join(_where(table, *group) for group in groups.items())}: {reason}"
            for reason, groups in places.items()
        ),
    ]


def _where(table: Table, titles: tuple[str, ...], rows: list[str]) -> str:
    named = "All rows" if len(rows) == len(table.rows) > 1 else _listed(rows)
    whole = len(titles) == len(table.columns)
    return named if whole else f"{named} ({', '.join(titles)})"

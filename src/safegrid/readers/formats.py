"""Rows of files of every ending that we read, each with the line where it starts.

What cannot be decoded is noted, not raised, so that one run shows everything that is
wrong with a file.
"""

import csv
import io
import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.core.text_files import (
    CR_ALONE,
    HEAD,
    NotTextError,
    decode,
    foreign,
    placeholder,
)
from safegrid.readers.json_text import JsonText, names_halves, parse, without_halves
from safegrid.readers.problems import Problems, describe

TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "{...}"}
HALF = (
    "holds half of a surrogate pair, which is no character: write both halves, or none"
)
# What other programs write in place of a comma.
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class Row(NamedTuple):
    """One row: the line where it starts, counted from 1, and its fields."""

    line: int
    values: dict[str, Any]


def type_name(value: object) -> str:
    """Return what a message calls the type of a value."""
    if value is None:
        return "null"
    return TYPE_NAMES.get(type(value), type(value).__name__)


def read_jsonl(path: Path, problems: Problems) -> Iterator[Row]:
    """Read one object a line."""
    with path.open("rb") as stream:
        yield from _objects(stream, problems)


def read_xz(path: Path, problems: Problems) -> Iterator[Row]:
    """Read one object a line of a file that xz has compressed."""
    try:
        with lzma.open(path) as stream:
            yield from _objects(stream, problems)
    except (lzma.LZMAError, EOFError) as error:
        problems.add(1, placeholder(path) or f"not readable as xz: {error}")


def _objects(
    stream: io.BufferedReader | lzma.LZMAFile, problems: Problems
) -> Iterator[Row]:
    what = foreign(stream.peek(HEAD)[:HEAD])
    if what is not None:
        problems.add(1, what)
        return
    for number, raw in enumerate(stream, start=1):
        try:
            text = decode(raw)
            values = parse(text)
        except NotTextError as error:
            problems.add(number, str(error))
        except ValueError as error:
            cut = b"\r" in raw.strip()
            problems.add(number, CR_ALONE if cut else _json_reason(error))
        else:
            yield from _object(number, values, names_halves(text), problems)


def read_json(path: Path, problems: Problems) -> Iterator[Row]:
    """Read a list of objects, item by item: only so is each one's line known.

    Or one object of lists, the columns of a table: its rows are the items that stand at
    the same place, each with the line of the first column's.
    """
    text = _text(path, problems)
    if text is None:
        return
    reader, halves = JsonText(text), names_halves(text)
    if reader.at("{"):
        for line, values in _from_columns(read_lists(path, problems), problems):
            yield from _object(line, values, halves, problems)
        return
    try:
        if not reader.at("["):
            problems.add(1, "the file is not a list [...] of objects, nor one of lists")
            return
        for line, values in reader.items():
            yield from _object(line, values, halves, problems)
        reader.end()
    except ValueError as error:
        problems.add(reader.line_of(error), _json_reason(error))


def _object(line: int, values: Any, halves: bool, problems: Problems) -> Iterator[Row]:
    """Give a JSON value as a row, if it is one that a table can hold.

    Args:
        line: where it starts.
        values: the value.
        halves: its text names halves of surrogate pairs, which costs a closer look.
        problems: of the file.
    """
    if not isinstance(values, dict):
        problems.add(line, f"not an object {{...}}: {type_name(values)}")
    elif halves and without_halves(values) != values:
        problems.add(line, HALF)
    else:
        yield Row(line, values)


def _from_columns(
    columns: dict[str, list[tuple[int, Any]]], problems: Problems
) -> Iterator[Row]:
    lengths = {name: len(items) for name, items in columns.items()}
    if len(set(lengths.values())) > 1:
        problems.add(1, f"its lists have {lengths} items; expected equally many")
        return
    for items in zip(*columns.values(), strict=True):
        values = [value for _, value in items]
        yield Row(items[0][0], dict(zip(columns, values, strict=True)))


def read_lists(path: Path, problems: Problems) -> dict[str, list[tuple[int, Any]]]:
    """Read one object whose fields are lists; give each item with its line.

    An item that no table can hold is noted, and mended so that it keeps its place.
    """
    text = _text(path, problems)
    if text is None:
        return {}
    reader = JsonText(text)
    try:
        if reader.at("{"):
            halves = names_halves(text)
            return {
                n: list(_items(n, reader, halves, problems)) for n in reader.fields()
            }
        problems.add(1, "the file is not an object {...} of lists")
    except ValueError as error:
        problems.add(reader.line_of(error), _json_reason(error))
    return {}


def _items(
    name: str, reader: JsonText, halves: bool, problems: Problems
) -> Iterator[tuple[int, Any]]:
    for line, value in reader.items():
        mended = without_halves(value) if halves else value
        if mended != value:
            problems.add(line, f"an item of field {describe(name)} {HALF}")
        yield line, mended


def read_csv(path: Path, problems: Problems) -> Iterator[Row]:
    """Read a table with a header; all values are texts, and may span lines."""
    text = _text(path, problems)
    if text is None:
        return
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    start = 1
    try:
        # A quoted field may span lines; the row's line is where it starts.
        for cells in reader:
            line, start = start, reader.line_num + 1
            if header is None:
                header = cells
                if (reason := _header_reason(cells)) is not None:
                    problems.add(line, reason)
                    return
            elif len(cells) == len(header):
                yield Row(line, dict(zip(header, cells, strict=True)))
            else:
                problems.add(line, f"{len(cells)} cells; the header has {len(header)}")
    except csv.Error as error:
        problems.add(start, f"not readable as csv: {error}")


def _header_reason(header: list[str]) -> str | None:
    """Say why rows cannot be read by a header, or None.

    Columns without a name are nobody's, and may be many.
    """
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        names = ", ".join(map(describe, sorted(twice)))
        return f"the header names {names} twice; rename or remove one of the two"
    for sign, name in SEPARATORS.items():
        if len(header) == 1 and sign in header[0]:
            return f"the header is one cell with {name} in it: write commas between"
    return None


def read_columns(path: Path, problems: Problems) -> Iterator[Row]:
    """Read a table of parquet or of an Arrow stream, as `datasets` saves its rows.

    A row's line is its number, counted from 1.
    """
    kind = path.suffix.removeprefix(".")
    try:
        if kind == "arrow":
            table = pl.read_ipc_stream(path)
        else:
            table = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        what = placeholder(path)
        problems.add(1, what or f"not readable as {kind}: {error}")
        return
    for number, values in enumerate(table.iter_rows(named=True), start=1):
        yield Row(number, values)


def read_txt(path: Path, problems: Problems) -> Iterator[Row]:
    """Read one text a line, as field `text`."""
    text = _text(path, problems)
    if text is None:
        return
    if "\r" in text.rstrip() and "\n" not in text:
        problems.add(1, CR_ALONE)
        return
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        yield Row(number, {"text": line.removesuffix("\r")})


def _text(path: Path, problems: Problems) -> str | None:
    try:
        return decode(path.read_bytes())
    except NotTextError as error:
        problems.add(error.line, str(error))
        return None


def _json_reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not readable as JSON: {error.msg} (column {error.colno})"
    return str(error)


READERS: dict[str, Callable[[Path, Problems], Iterator[Row]]] = {
    ".jsonl": read_jsonl,
    ".xz": read_xz,
    ".json": read_json,
    ".csv": read_csv,
    ".parquet": read_columns,
    ".arrow": read_columns,
    ".txt": read_txt,
}

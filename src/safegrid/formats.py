"""Rows of files of every ending that we read, each with the line where it starts.

What cannot be decoded is noted, not raised, so that one run shows everything that is
wrong with a file.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.json_text import JsonText, refuse_constant
from safegrid.problems import Problems

TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "{...}"}


class Row(NamedTuple):
    """One row: the line where it starts, counted from 1, and its fields."""

    line: int
    values: dict[str, Any]


class _NotTextError(Exception):
    """A line or file is not UTF-8."""


def type_name(value: object) -> str:
    """Return what a message calls the type of a value."""
    if value is None:
        return "null"
    return TYPE_NAMES.get(type(value), type(value).__name__)


def read_jsonl(path: Path, problems: Problems) -> Iterator[Row]:
    """Read one object a line."""
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            try:
                values = json.loads(_decode(raw), parse_constant=refuse_constant)
            except (_NotTextError, ValueError) as error:
                problems.add(number, _json_reason(error))
                continue
            if isinstance(values, dict):
                yield Row(number, values)
            else:
                problems.add(number, f"not an object {{...}}: {type_name(values)}")


def read_json(path: Path, problems: Problems) -> Iterator[Row]:
    """Read a list of objects, item by item: only so is each one's line known.

    Or one object of lists, the columns of a table: its rows are the items that stand at
    the same place, each with the line of the first column's.
    """
    text = _text(path, problems)
    if text is None:
        return
    reader = JsonText(text)
    if reader.at("{"):
        yield from _from_columns(read_lists(path, problems), problems)
        return
    try:
        if not reader.at("["):
            problems.add(1, "the file is not a list [...] of objects, nor one of lists")
            return
        for line, values in reader.items():
            if isinstance(values, dict):
                yield Row(line, values)
            else:
                problems.add(line, f"not an object {{...}}: {type_name(values)}")
        reader.end()
    except ValueError as error:
        problems.add(reader.line_of(error), _json_reason(error))


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
    """Read one object whose fields are lists; give each item with its line."""
    text = _text(path, problems)
    if text is None:
        return {}
    reader = JsonText(text)
    try:
        if reader.at("{"):
            return {name: list(reader.items()) for name in reader.fields()}
        problems.add(1, "the file is not an object {...} of lists")
    except ValueError as error:
        problems.add(reader.line_of(error), _json_reason(error))
    return {}


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
            elif len(cells) == len(header):
                yield Row(line, dict(zip(header, cells, strict=True)))
            else:
                problems.add(line, f"{len(cells)} cells; the header has {len(header)}")
    except csv.Error as error:
        problems.add(start, f"not readable as csv: {error}")


def read_parquet(path: Path, problems: Problems) -> Iterator[Row]:
    """Read a table; a row's line is its number, counted from 1."""
    try:
        table = pl.read_parquet(path, glob=False)
    except pl.exceptions.PolarsError as error:
        problems.add(1, f"not readable as parquet: {error}")
        return
    for number, values in enumerate(table.iter_rows(named=True), start=1):
        yield Row(number, values)


def read_txt(path: Path, problems: Problems) -> Iterator[Row]:
    """Read one text a line, as field `text`."""
    text = _text(path, problems)
    if text is not None:
        lines = text.removesuffix("\n").split("\n")
        for number, line in enumerate(lines, start=1):
            yield Row(number, {"text": line.removesuffix("\r")})


def _text(path: Path, problems: Problems) -> str | None:
    raw = path.read_bytes()
    try:
        return _decode(raw)
    except _NotTextError as error:
        cause = error.__cause__
        assert isinstance(cause, UnicodeDecodeError), "raised from it below"
        problems.add(raw.count(b"\n", 0, cause.start) + 1, str(error))
        return None


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _NotTextError(
            f"not UTF-8: byte 0x{raw[error.start]:02x} is no part of any character;"
            " save the file as UTF-8"
        ) from error


def _json_reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not readable as JSON: {error.msg} (column {error.colno})"
    return str(error)


READERS: dict[str, Callable[[Path, Problems], Iterator[Row]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".parquet": read_parquet,
    ".txt": read_txt,
}

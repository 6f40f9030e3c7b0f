"""Rows of jsonl, json and csv files, each with the line where it starts.

What cannot be decoded is noted, not raised, so that one run shows everything that is
wrong with a file.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

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
                values = json.loads(_decode(raw), parse_constant=_refuse_constant)
            except (_NotTextError, ValueError) as error:
                problems.add(number, _json_reason(error))
                continue
            if isinstance(values, dict):
                yield Row(number, values)
            else:
                problems.add(number, f"not an object {{...}}: {type_name(values)}")


def read_json(path: Path, problems: Problems) -> Iterator[Row]:
    """Read a list of objects, item by item: only so is each one's line known."""
    raw = path.read_bytes()
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    line, position = 1, 0
    try:
        text = _decode(raw)
        position = _skip(text, 0)
        if text[position : position + 1] != "[":
            problems.add(1, "the file is not a list [...] of objects")
            return
        position = _skip(text, position + 1)
        counted = 0
        while text[position : position + 1] != "]":
            line += text.count("\n", counted, position)
            counted = position
            values, position = decoder.raw_decode(text, position)
            if isinstance(values, dict):
                yield Row(line, values)
            else:
                problems.add(line, f"not an object {{...}}: {type_name(values)}")
            position = _skip(text, position)
            if text[position : position + 1] == ",":
                position = _skip(text, position + 1)
            elif text[position : position + 1] != "]":
                raise ValueError("no ',' or ']' after the item that starts here")
        if _skip(text, position + 1) < len(text):
            problems.add(line, "more text after the list's end")
    except (_NotTextError, ValueError) as error:
        problems.add(_json_line(raw, line, error), _json_reason(error))


def read_csv(path: Path, problems: Problems) -> Iterator[Row]:
    """Read a table with a header; all values are texts, and may span lines."""
    raw = path.read_bytes()
    try:
        text = _decode(raw)
    except _NotTextError as error:
        problems.add(_json_line(raw, 1, error), str(error))
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


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _NotTextError(
            f"not UTF-8: byte 0x{raw[error.start]:02x} is no part of any character;"
            " save the file as UTF-8"
        ) from error


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json_reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"not readable as JSON: {error.msg} (column {error.colno})"
    return str(error)


def _json_line(raw: bytes, line: int, error: Exception) -> int:
    """Return the line of an error in a file that is read as a whole."""
    if isinstance(error, json.JSONDecodeError):
        return error.lineno
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        return raw.count(b"\n", 0, cause.start) + 1
    return line


READERS: dict[str, Callable[[Path, Problems], Iterator[Row]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
}

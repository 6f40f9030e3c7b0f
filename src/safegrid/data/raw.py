"""Rows of a raw file (jsonl, json or csv) with the line that each starts at.

Takes a file in an upstream format and the fields that its adapter reads; gives rows
whose fields are there and of the right type. What does not fit is noted, not raised,
so that one run shows everything that is wrong with a file.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.data.problems import Problems, describe
from safegrid.errors import DataError

TYPE_NAMES = {str: "text", int: "a whole number", bool: "true or false", dict: "{...}"}


class Row(NamedTuple):
    """One row: the line where it starts, counted from 1, and its fields."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Field:
    """What an adapter expects of one field.

    Attributes:
        kind: str, int, bool or dict; a csv field is text and only int is converted.
        filled: a text must hold more than white space.
    """

    kind: type
    filled: bool = True


class _NotTextError(Exception):
    """A line or file is not UTF-8."""


def read_rows(
    path: Path, fields: Mapping[str, Field], problems: Problems
) -> Iterator[Row]:
    """Read the rows of a file that carry `fields`; note the others in `problems`.

    Args:
        path: .jsonl (one object a line), .json (a list of objects) or .csv.
        fields: what a row must carry; fields beyond them are handed through.
        problems: collects broken rows, missing fields and wrong types.

    Raises:
        DataError: the file is missing, or its ending is none of the three.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; build it with its rule, or fetch it")
    readers: dict[str, Callable[[Path, Problems], Iterator[Row]]] = {
        ".jsonl": _read_jsonl,
        ".json": _read_json,
        ".csv": _read_csv,
    }
    if path.suffix not in readers:
        raise DataError(
            f"{path}: cannot read a {path.suffix or 'nameless'} file; expected one of"
            f" {', '.join(readers)}"
        )
    rows = readers[path.suffix](path, problems)
    count = 0
    for row in rows:
        count += 1
        reason = _fit(row.values, fields, converts=path.suffix == ".csv")
        if reason is None:
            yield row
        else:
            problems.add(row.line, reason)
    if count == 0:
        problems.add(1, "the file holds no readable row")


class Unique:
    """Notes values that must differ in every row of a file, and do not."""

    def __init__(self, name: str, problems: Problems) -> None:
        self._name = name
        self._problems = problems
        self._lines: dict[str | int, int] = {}

    def is_new(self, value: str | int, line: int) -> bool:
        """Say whether no row before had this value; note it if one had."""
        first = self._lines.setdefault(value, line)
        if first != line:
            self._problems.add(line, f"{self._name} repeats the one of line {first}")
        return first == line


def _fit(
    values: dict[str, Any], fields: Mapping[str, Field], converts: bool
) -> str | None:
    missing = [name for name in fields if name not in values]
    if missing:
        present = ", ".join(describe(name) for name in list(values)[:20]) or "none"
        return f"missing fields {', '.join(map(repr, missing))}; the row has {present}"
    for name, field in fields.items():
        if converts and field.kind is int:
            values[name] = _whole_number(values[name])
        value = values[name]
        # bool is an int to Python, but not to a dataset.
        if type(value) is not field.kind:
            return (
                f"field {name!r} must be {TYPE_NAMES[field.kind]}, not"
                f" {_type_name(value)}"
            )
        if isinstance(value, str):
            reason = _text_reason(value, field.filled)
            if reason is not None:
                return f"field {name!r} {reason}"
    return None


def _text_reason(text: str, filled: bool) -> str | None:
    if filled and not text.strip():
        return "is empty"
    try:
        text.encode()
    except UnicodeEncodeError:
        # JSON can escape what no file can hold: "\ud83d" alone is no character.
        return "holds half of a surrogate pair, which is no character"
    return None


def _whole_number(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() else text


def _type_name(value: object) -> str:
    if value is None:
        return "null"
    return TYPE_NAMES.get(type(value), type(value).__name__)


def _read_jsonl(path: Path, problems: Problems) -> Iterator[Row]:
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
                problems.add(number, f"not an object {{...}}: {_type_name(values)}")


def _read_json(path: Path, problems: Problems) -> Iterator[Row]:
    """Decode a list item by item, because only so is each one's line known."""
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
                problems.add(line, f"not an object {{...}}: {_type_name(values)}")
            position = _skip(text, position)
            if text[position : position + 1] == ",":
                position = _skip(text, position + 1)
            elif text[position : position + 1] != "]":
                raise ValueError("no ',' or ']' after the item that starts here")
        if _skip(text, position + 1) < len(text):
            problems.add(line, "more text after the list's end")
    except (_NotTextError, ValueError) as error:
        problems.add(_json_line(raw, line, error), _json_reason(error))


def _read_csv(path: Path, problems: Problems) -> Iterator[Row]:
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

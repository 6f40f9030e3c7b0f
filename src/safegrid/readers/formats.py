"""Rows of files of every ending that we read, each with the line where it starts.

What cannot be decoded is noted, not raised, so that one run shows everything that is
wrong with a file.
"""

import csv
import io
import json
import lzma
from collections.abc import Callable, Iterable, Iterator
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
from safegrid.readers.json_text import HALF, Lined, parse, parse_lines, without_halves
from safegrid.readers.problems import FileProblems, describe

TYPE_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "{...}",
    list: "[...]",
    type(None): "null",
}
HALF_ALONE = (
    "holds half of a surrogate pair, which is no character: write both halves, or none"
)
# What other programs write in place of a comma.
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class RawRow(NamedTuple):
    """One row: the line where it starts, counted from 1, and its fields."""

    line: int
    values: dict[str, Any]


class BrokenFileError(Exception):
    """A file that cannot be read on from a line."""

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def read_file(path: Path, problems: FileProblems) -> Iterator[RawRow]:
    """Read the rows of a file by its ending; what is wrong with it is noted."""
    try:
        yield from READERS[path.suffix](path, problems)
    except (BrokenFileError, NotTextError) as error:
        problems.add(error.line, str(error))
    except json.JSONDecodeError as error:
        problems.add(error.lineno, _json_reason(error))


def type_name(value: object) -> str:
    """Return what a message calls the type of a value."""
    return TYPE_NAMES.get(type(value), type(value).__name__)


def read_jsonl(path: Path, problems: FileProblems) -> Iterator[RawRow]:
    """Read one object a line; of a file that ends in .xz, which xz has compressed."""
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as stream:
            if (what := foreign(stream.peek(HEAD)[:HEAD])) is not None:
                raise BrokenFileError(what)
            for number, raw in enumerate(stream, start=1):
                yield from _line(number, raw, problems)
    except (lzma.LZMAError, EOFError) as error:
        reason = placeholder(path) or f"not readable as xz: {error}"
        raise BrokenFileError(reason) from None


def _line(number: int, raw: bytes, problems: FileProblems) -> Iterator[RawRow]:
    try:
        text = decode(raw)
        value = parse(text)
    except NotTextError as error:
        problems.add(number, str(error))
    except json.JSONDecodeError as error:
        cut = b"\r" in raw.strip()
        problems.add(number, CR_ALONE if cut else _json_reason(error))
    else:
        yield from _objects([(number, value)], text, problems)


def read_json(path: Path, problems: FileProblems) -> Iterator[RawRow]:
    """Read a list of objects, item by item: only so is each one's line known.

    Or one object of lists, the columns of a table: its rows are the items that stand at
    the same place, each with the line of the first column's. An empty list is no
    column.
    """
    text = decode(path.read_bytes())
    found = parse_lines(text)
    if isinstance(found, list):
        yield from _objects(found, text, problems)
        return
    columns = {name: items for name, items in found.items() if items}
    lengths = {name: len(items) for name, items in columns.items()}
    if len(set(lengths.values())) > 1:
        raise BrokenFileError(f"its lists have {lengths} items; expected equally many")
    for items in zip(*columns.values(), strict=True):
        values = [value for _, value in items]
        row = dict(zip(columns, values, strict=True))
        yield from _objects([(items[0][0], row)], text, problems)


def _objects(
    items: Iterable[Lined], text: str, problems: FileProblems
) -> Iterator[RawRow]:
    """Give the JSON values of a text as rows, if they are what a table can hold."""
    halves = HALF.search(text)
    for line, values in items:
        if not isinstance(values, dict):
            problems.add(line, f"not an object {{...}}: {type_name(values)}")
        elif halves and without_halves(values) != values:
            problems.add(line, HALF_ALONE)
        else:
            yield RawRow(line, values)


def read_csv(path: Path, problems: FileProblems) -> Iterator[RawRow]:
    """Read a table with a header; all values are texts, and may span lines."""
    text = io.StringIO(decode(path.read_bytes()), newline="")
    reader = csv.reader(text, strict=True)
    # A quoted field may span lines; the row's line is where it starts.
    line = 1
    try:
        header = next(reader, [])
        _check_header(header)
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                yield RawRow(line, dict(zip(header, cells, strict=True)))
            else:
                problems.add(line, f"{len(cells)} cells; the header has {len(header)}")
            line = reader.line_num + 1
    except csv.Error as error:
        raise BrokenFileError(f"not readable as csv: {error}", line) from None


def _check_header(header: list[str]) -> None:
    """Refuse a header by which no rows can be read; cells of it may be empty."""
    twice = {name for name in header if name and header.count(name) > 1}
    if twice:
        names = ", ".join(map(describe, sorted(twice)))
        raise BrokenFileError(
            f"the header names {names} twice; rename or remove one of the two"
        )
    for sign, name in SEPARATORS.items():
        if len(header) == 1 and sign in header[0]:
            raise BrokenFileError(
                f"the header is one cell with {name} in it: write commas between"
            )


def read_columns(path: Path, _: FileProblems) -> Iterator[RawRow]:
    """Read a table of parquet or of an Arrow stream; a row's line is its number."""
    kind = path.suffix.removeprefix(".")
    try:
        if kind == "arrow":
            table = pl.read_ipc_stream(path)
        else:
            table = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = placeholder(path) or f"not readable as {kind}: {error}"
        raise BrokenFileError(reason) from None
    yield from map(RawRow._make, enumerate(table.iter_rows(named=True), start=1))


def read_txt(path: Path, _: FileProblems) -> Iterator[RawRow]:
    """Read one text a line, as field `text`."""
    text = decode(path.read_bytes())
    if "\r" in text.rstrip() and "\n" not in text:
        raise BrokenFileError(CR_ALONE)
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        yield RawRow(number, {"text": line.removesuffix("\r")})


def _json_reason(error: json.JSONDecodeError) -> str:
    return f"not readable as JSON: {error.msg} (column {error.colno})"


READERS: dict[str, Callable[[Path, FileProblems], Iterator[RawRow]]] = {
    ".jsonl": read_jsonl,
    ".xz": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".parquet": read_columns,
    ".arrow": read_columns,
    ".txt": read_txt,
}

"""Rows of a raw file with the line that each starts at.

Takes a file in an upstream format and the fields that its adapter reads; gives rows
whose fields are there and of the right type. What does not fit is noted, not raised,
so that one run shows everything that is wrong with a file.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from safegrid.core.errors import DataError
from safegrid.core.seals import check_fetched
from safegrid.core.text_files import placeholder
from safegrid.readers.formats import READERS, TYPE_NAMES, Row, type_name
from safegrid.readers.plain import is_blank, plain
from safegrid.readers.problems import Problems, describe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Field:
    """What an adapter expects of one field.

    Attributes:
        kind: str, int, bool or dict; a csv field is text and only int is converted.
        filled: a text must hold more than white space.
    """

    kind: type
    filled: bool = True


def read_rows(
    path: Path,
    fields: Mapping[str, Field],
    problems: Problems,
    names: Mapping[str, str] = MappingProxyType({}),
    optional: Collection[str] = (),
) -> Iterator[Row]:
    """Read the rows of a file that carry `fields`; note the others in `problems`.

    Args:
        path: .jsonl (one object a line; .xz where it is compressed), .json (a list of
            objects, or an object of lists, one a column), .csv, .parquet, .arrow (a
            stream) or .txt (one text a line).
        fields: what a row must carry; fields beyond them are handed through.
        problems: collects broken rows, missing fields and wrong types.
        names: by what a file may call a field, what it is called here.
        optional: fields that are read where a row has them; one that has them by
            another case, or with blanks around, is noted.

    Raises:
        DataError: the file is missing, or has another ending.
    """
    check_readable(path, READERS)
    rows = READERS[path.suffix](path, problems)
    count = 0
    for found in rows:
        count += 1
        values = {names.get(name, name): value for name, value in found.values.items()}
        row = Row(found.line, values)
        reason = (
            _clash(found.values, names)
            or _misnamed(values, fields, optional)
            or _fit(values, fields, converts=path.suffix == ".csv")
        )
        if reason is None:
            yield row
        else:
            problems.add(row.line, reason)
    if count == 0:
        problems.add(1, "the file holds no readable row")


def check_readable(path: Path, endings: Iterable[str]) -> None:
    """Check that a file is there, has one of the endings and is as it was fetched.

    Raises:
        DataError: it is not, or has another.
    """
    if not path.is_file():
        what = placeholder(path) or "no such file; build it with its rule, or fetch it"
        raise DataError(f"{path}: {what}")
    if path.suffix not in endings:
        raise DataError(
            f"{path}: cannot read a {path.suffix or 'nameless'} file; expected one of"
            f" {', '.join(endings)}"
        )
    check_fetched(path)


def check_columns(
    names: Iterable[str], known: Collection[str], path: Path, problems: Problems
) -> None:
    """Refuse a column that is nearly one of ours; name those that are not read.

    Args:
        names: of the file's columns, or of its first row's fields.
        known: the ones that are read.
        path: the file, for the log.
        problems: of the file.
    """
    others = [name for name in names if name not in known]
    for name in others:
        close = get_close_matches(_folded(name), known, n=1, cutoff=0.8)
        if close:
            problems.add(
                1, f"column {describe(name)}: did you mean {close[0]!r}? Else rename it"
            )
    if others:
        log.warning("%s: columns not read: %s", path, ", ".join(map(describe, others)))


class Unique:
    """Notes values that must differ in every row of a file, and do not."""

    def __init__(self, name: str, problems: Problems) -> None:
        self._name = name
        self._problems = problems
        self._lines: dict[str | int, int] = {}

    def is_new(self, value: str | int, line: int) -> bool:
        """Say whether no row before had this value; note it if one had."""
        if value in self._lines:
            first = self._lines[value]
            self._problems.add(line, f"{self._name} repeats the one of line {first}")
            return False
        self._lines[value] = line
        return True


def _clash(present: Collection[str], names: Mapping[str, str]) -> str | None:
    """Say which fields of a row are both called the same here, if any."""
    for theirs, ours in names.items():
        others = [n for n in present if n != theirs and names.get(n, n) == ours]
        if theirs in present and others:
            return (
                f"fields {describe(theirs)} and {describe(others[0])} are both read as"
                f" {ours!r}; rename or remove one of the two"
            )
    return None


def _misnamed(
    present: Collection[str], fields: Iterable[str], optional: Iterable[str]
) -> str | None:
    """Say which fields a row lacks, and which are ours but for case and blanks."""
    lost = {_folded(n): n for n in (*fields, *optional) if n not in present}
    if not lost:
        return None
    renamed = {n: lost[_folded(n)] for n in present if _folded(n) in lost}
    missing = [n for n in fields if n not in present and n not in renamed.values()]
    reasons = []
    if missing:
        wanted, there = map(_listed, (map(repr, missing), map(describe, present)))
        reasons = [f"missing fields {wanted}; the row has {there or 'none'}"]
    reasons += [
        f"field {name!a}: did you mean {ours!r}? Rename it"
        for name, ours in renamed.items()
    ]
    return "; ".join(reasons) or None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(islice(names, 20))


@lru_cache
def _folded(name: str) -> str:
    return plain(name).strip().casefold()


def _fit(
    values: dict[str, Any], fields: Mapping[str, Field], converts: bool
) -> str | None:
    for name, field in fields.items():
        if converts and field.kind is int:
            values[name] = _whole_number(values[name])
        value = values[name]
        # bool is an int to Python, but not to a dataset.
        if type(value) is not field.kind:
            return (
                f"field {name!r} must be {TYPE_NAMES[field.kind]}, not"
                f" {type_name(value)}"
            )
        if isinstance(value, str) and field.filled and is_blank(value):
            return f"field {name!r} is empty"
    return None


def _whole_number(text: str) -> int | str:
    return int(text) if text.strip().isdecimal() else text

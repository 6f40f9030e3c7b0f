"""Rows of a raw file with the line that each starts at.

Takes a file in an upstream format and the fields that its adapter reads; gives rows
whose fields are there and of the right type. What does not fit is noted, not raised,
so that one run shows everything that is wrong with a file.
"""

import logging
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from safegrid.core.errors import DataError
from safegrid.core.seals import check_fetched
from safegrid.core.text_files import placeholder
from safegrid.readers.formats import READERS, TYPE_NAMES, RawRow, read_file, type_name
from safegrid.readers.plain import is_blank, plain
from safegrid.readers.problems import FileProblems, describe, odd

log = logging.getLogger(__name__)

NO_NAMES: Mapping[str, str] = MappingProxyType({})
# What pydantic calls a value of another type than the one that a field has.
EXPECTED = {
    "string_type": str,
    "int_type": int,
    "int_parsing": int,
    "float_type": float,
    "bool_type": bool,
    "dict_type": dict,
    "model_type": dict,
    "list_type": list,
}


class Fields(BaseModel):
    """The fields that an adapter reads of a row; others are left aside.

    No text stands for a number, and none for a truth, but in csv, where all is text.

    Attributes:
        NAMES: by what a file may call a field, what it is called here.
        UNIQUE: the field that differs in every row, if one must.
    """

    NAMES: ClassVar[Mapping[str, str]] = NO_NAMES
    UNIQUE: ClassVar[str | None] = None
    model_config = ConfigDict(strict=True, frozen=True)


def _filled(text: str) -> str:
    if is_blank(text):
        raise ValueError("is empty")
    return text


def one_of(known: Collection[str]) -> AfterValidator:
    """Return a check that a text is one of those that are known."""

    def check(text: str) -> str:
        if text not in known:
            raise ValueError(f"is {odd(text, known)}")
        return text

    return AfterValidator(check)


Filled = Annotated[str, AfterValidator(_filled)]
"""A text that shows a reader something."""

Kind = TypeVar("Kind", bound=Fields)


def read_as(
    path: Path, kind: type[Kind], problems: FileProblems
) -> Iterator[tuple[int, Kind]]:
    """Read the rows of a file that carry some fields, with their lines.

    Missing fields, wrong types, and a field that a row has by another case or with
    blanks around are noted, and values that should differ.
    """
    validator = kind.__pydantic_validator__
    is_csv = path.suffix == ".csv"
    validate = validator.validate_strings if is_csv else validator.validate_python
    known = {f.alias or name: f for name, f in kind.model_fields.items()}
    required = [name for name, field in known.items() if field.is_required()]
    unique = Unique(f"field {kind.UNIQUE!r}", problems)
    for line, values in read_rows(path, problems, kind.NAMES):
        if reason := _misnamed(values, required, known):
            problems.add(line, reason)
            continue
        try:
            row = validate(values)
        except ValidationError as error:
            problems.add(line, _misfit(error))
            continue
        if kind.UNIQUE is None or unique.is_new(getattr(row, kind.UNIQUE), line):
            yield line, row


def read_rows(
    path: Path, problems: FileProblems, names: Mapping[str, str] = NO_NAMES
) -> Iterator[RawRow]:
    """Read the rows of a file, whatever fields they carry.

    Files are .jsonl (one object a line; .xz where it is compressed), .json (a list of
    objects, or an object of lists, one a column), .csv, .parquet, .arrow (a stream) and
    .txt (one text a line). `names` says, by what a file may call a field, what it is
    called here.
    """
    check_readable(path, READERS)
    is_empty = True
    for line, found in read_file(path, problems):
        is_empty = False
        if clash := _clash(found, names):
            problems.add(line, clash)
        else:
            renamed = {names.get(name, name): value for name, value in found.items()}
            yield RawRow(line, renamed)
    if is_empty:
        problems.add(1, "the file holds no readable row")


def check_readable(path: Path, endings: Iterable[str]) -> None:
    """Check that a file is there, has one of the endings and is as it was fetched."""
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
    names: Iterable[str], known: Collection[str], path: Path, problems: FileProblems
) -> None:
    """Refuse a column that is nearly a known one; the log names those not read."""
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

    def __init__(self, name: str, problems: FileProblems) -> None:
        self._name = name
        self._problems = problems
        self._lines: dict[str | int, int] = {}

    def is_new(self, value: str | int, line: int) -> bool:
        """Say whether no row before had this value; note it if one had."""
        first = self._lines.setdefault(value, line)
        if first != line:
            self._problems.add(line, f"{self._name} repeats the one of line {first}")
        return first == line


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
    present: Collection[str], required: Iterable[str], known: Iterable[str]
) -> str | None:
    """Say which fields a row lacks, and which are ours but for case and blanks."""
    lost = {_folded(n): n for n in known if n not in present}
    if not lost:
        return None
    renamed = {n: lost[_folded(n)] for n in present if _folded(n) in lost}
    missing = [n for n in required if n not in present and n not in renamed.values()]
    reasons = []
    if missing:
        wanted, there = map(_listed, (map(repr, missing), map(describe, present)))
        reasons = [f"missing fields {wanted}; the row has {there or 'none'}"]
    reasons += [
        f"field {name!a}: did you mean {ours!r}? Rename it"
        for name, ours in renamed.items()
    ]
    return "; ".join(reasons) or None


def _misfit(error: ValidationError) -> str:
    """Say what is wrong with the first field that does not fit; quote no value."""
    first = error.errors(include_url=False)[0]
    kind, place = first["type"], ".".join(map(str, first["loc"]))
    if kind == "value_error":
        said = str(first["ctx"]["error"])
    elif kind in EXPECTED:
        wanted = TYPE_NAMES[EXPECTED[kind]]
        said = f"must be {wanted}, not {type_name(first['input'])}"
    elif kind == "missing":
        said = "is missing"
    else:
        said = re.sub(r"^\w+ should", "must", first["msg"])
    return f"field {place!r} {said}" if place else said


def _listed(names: Iterable[str]) -> str:
    return ", ".join(islice(names, 20))


@lru_cache
def _folded(name: str) -> str:
    return plain(name).strip().casefold()

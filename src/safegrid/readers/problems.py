"""Faults of a raw file, collected into one message.

Rows of safety datasets hold harmful text, so a message never quotes a row: it names
the file, the line, the field and the reason.
"""

import re
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from safegrid.core.errors import DataError

SHOWN_REASONS = 20
SHOWN_LINES = 5
_LABEL = re.compile(r"[\w+ .-]{1,40}")


class FileProblems:
    """Collects the problems of one file; lines with the same reason share an entry."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # A table of columns has rows and no lines.
        self._unit = "row" if path.suffix == ".parquet" else "line"
        self._lines: dict[str, list[int]] = {}

    def add(self, line: int, reason: str) -> None:
        """Note what is wrong with the row that starts at `line`, counted from 1."""
        self._lines.setdefault(reason, []).append(line)

    def raise_any(self) -> None:
        """Raise a DataError of up to 20 reasons with their lines, if there are any."""
        if not self._lines:
            return
        entries = [
            f"  {_lines(self._unit, lines)}: {reason}"
            for reason, lines in self._lines.items()
        ]
        hidden = len(entries) - SHOWN_REASONS
        if hidden > 0:
            entries[SHOWN_REASONS:] = [f"  and {hidden} more kinds of problem"]
        count = sum(map(len, self._lines.values()))
        noun = "problem" if count == 1 else "problems"
        raise DataError(
            f"{self._path}: {count} {noun}; nothing was written\n" + "\n".join(entries)
        )


def describe(value: str) -> str:
    """Return a value that should be a label or a name so that it may be shown.

    Anything longer or odder may be the text of a row in the wrong column.
    """
    return repr(value) if _LABEL.fullmatch(value) else f"a text of {len(value)} letters"


def odd(value: str, known: Collection[str]) -> str:
    """Describe a value that is none of those that are known; name the likely one."""
    close = get_close_matches(value, known, n=1)
    if close:
        return f"{describe(value)}: not known; did you mean {close[0]!r}?"
    return f"{describe(value)}: expected one of {', '.join(sorted(known))}"


def unknown(field: str, value: str, known: Collection[str]) -> str:
    """Say that a field's value is none of those that are known."""
    return f"field {field!r} is {odd(value, known)}"


def _lines(unit: str, lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:SHOWN_LINES]))
    more = len(lines) - SHOWN_LINES
    rest = f" and {more} more" if more > 0 else ""
    return f"{unit}{'s' if len(lines) > 1 else ''} {shown}{rest}"

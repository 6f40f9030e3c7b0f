"""Rows that a judge learns from: read back from the world's files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from safegrid.errors import DataError

FIELDS = ("id", "prompt", "response", "label", "category")


class Labelled(NamedTuple):
    """A prompt, a response and what a judge shall say of it."""

    prompt: str
    response: str
    label: str
    category: str | None

    @property
    def messages(self) -> list[dict[str, str]]:
        """The exchange as a conversation."""
        return [
            {"role": "user", "content": self.prompt},
            {"role": "assistant", "content": self.response},
        ]


def verdict(label: str, category: str | None) -> str:
    """Return what a guard writes: its word, and below it a hazard's code."""
    return label if category is None else f"{label}\n{category}"


def read_labelled(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read labelled rows of a judge.

    Raises:
        DataError: a line lacks a field or has a label that the judge does not know;
            the message names the line.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            rows.append(Labelled(*(row[name] for name in FIELDS[1:])))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: line {number} is no labelled row: {error!r}; expected an"
                f" object with {', '.join(FIELDS)}"
            ) from error
        if rows[-1].label not in classes:
            raise DataError(
                f"{path}: line {number} has the label {rows[-1].label!r}; this judge"
                f" knows {', '.join(classes)}"
            )
    return rows

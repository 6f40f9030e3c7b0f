"""Labelled rows: prompt-response pairs and what a judge should say of them.

What it should say is a class, a number, or which of two answers is better.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from safegrid.readers.formats import type_name
from safegrid.readers.problems import Problems, unknown
from safegrid.readers.raw import Field, Unique, read_rows

# Empty answers are labelled too.
TEXTS = {
    "prompt": Field(str, filled=False),
    "response": Field(str, filled=False),
    "label": Field(str),
}
# The beginning of the response that was given to the model, where rows have one.
PREFILL = "prefill"
OPTIONAL = ("category", PREFILL)
PAIRED = {name: Field(str, filled=False) for name in ("prompt", "chosen", "rejected")}
SCORED = {name: Field(str, filled=False) for name in ("prompt", "response")}

Row = TypeVar("Row")


class Labelled(NamedTuple):
    """A prompt-response pair with the label that a judge should give.

    Attributes:
        id: unlike every other row's.
        category: null of a row that has none.
        annotations: what two people said before they settled on the label, if known.
        prefill: what stands before the response, and was not the model's choice.
    """

    id: str
    prompt: str
    response: str
    label: str
    category: str | None
    annotations: tuple[str, str] | None = None
    prefill: str = ""


class Preferred(NamedTuple):
    """Two answers of which the first is the better one, and the pair's category."""

    id: str
    prompt: str
    chosen: str
    rejected: str
    category: str | None


class Scored(NamedTuple):
    """A prompt-response pair with the number that a judge should give."""

    id: str
    prompt: str
    response: str
    score: float
    category: str | None


def read_labelled(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read rows of id, prompt, response, label and, if known, category and prefill.

    Args:
        path: JSON lines, or any other format of `raw.read_rows`.
        classes: the labels that the judge gives.

    Raises:
        DataError: no rows, or rows that are not what they should be; the message
            names all lines with their reasons, and never a row's text.
    """

    def row(values: Mapping[str, Any]) -> Labelled | str:
        if values["label"] not in classes:
            return unknown("label", values["label"], classes)
        prompt, response, label = (values[name] for name in TEXTS)
        return Labelled(
            str(values["id"]),
            prompt,
            response,
            label,
            values.get("category"),
            prefill=values.get(PREFILL) or "",
        )

    return _read(path, TEXTS, row)


def read_reward_pairs(path: Path) -> list[Preferred]:
    """Read rows of id, prompt, chosen, rejected and, if known, category.

    Raises:
        DataError: as `read_labelled`.
    """

    def row(values: Mapping[str, Any]) -> Preferred | str:
        if values["chosen"] == values["rejected"]:
            return "chosen and rejected are the same answer"
        prompt, chosen, rejected = (values[name] for name in PAIRED)
        category = values.get("category")
        return Preferred(str(values["id"]), prompt, chosen, rejected, category)

    return _read(path, PAIRED, row)


def read_scored(path: Path) -> list[Scored]:
    """Read rows of id, prompt, response, score and, if known, category.

    Raises:
        DataError: as `read_labelled`.
    """

    def row(values: Mapping[str, Any]) -> Scored | str:
        score = values.get("score")
        # A bool is an int to Python, and JSON's NaN a float.
        if type(score) not in (int, float) or not math.isfinite(score or 0):
            return f"field 'score' must be a finite number, not {type_name(score)}"
        prompt, response = (values[name] for name in SCORED)
        known, category = float(score or 0), values.get("category")
        return Scored(str(values["id"]), prompt, response, known, category)

    return _read(path, SCORED, row)


def _read(
    path: Path,
    fields: Mapping[str, Field],
    make: Callable[[Mapping[str, Any]], Row | str],
) -> list[Row]:
    """Read rows with ids of their own; `make` gives a row, or what is wrong with it."""
    problems = Problems(path)
    ids = Unique("id", problems)
    rows: list[Row] = []
    for line, values in read_rows(path, fields, problems, optional=("id", *OPTIONAL)):
        row = _reason(values) or make(values)
        if isinstance(row, str):
            problems.add(line, row)
        elif ids.is_new(str(values["id"]), line):
            rows.append(row)
    problems.raise_any()
    return rows


def _reason(values: Mapping[str, Any]) -> str | None:
    if type(values.get("id")) not in (str, int):
        return "field 'id' must be text or a whole number"
    for name in OPTIONAL:
        value = values.get(name)
        if value is not None and not isinstance(value, str):
            return f"field {name!r} must be text or null, not {type_name(value)}"
    return None

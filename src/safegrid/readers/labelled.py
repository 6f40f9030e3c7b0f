"""Labelled rows: prompt-response pairs and what a judge should say of them.

What it should say is a class, a number, or which of two answers is better.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import AfterValidator, Field, model_validator

from safegrid.readers.problems import FileProblems, unknown
from safegrid.readers.raw import Fields, Filled, Unique, read_as


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


def _id(value: Any) -> str:
    if type(value) not in (str, int):
        raise ValueError("must be text or a whole number")
    return str(value)


class IdentifiedRow(Fields):
    """A row with an id unlike every other row's; empty answers are labelled too."""

    id: Annotated[Any, AfterValidator(_id)]
    prompt: str
    category: str | None = None


class LabelledRow(IdentifiedRow):
    """A row with a class, and the beginning of its response if that was given."""

    response: str
    label: Filled
    prefill: str | None = None


class Preferred(IdentifiedRow):
    """Two answers of which the first is the better one."""

    chosen: str
    rejected: str

    @model_validator(mode="after")
    def _differ(self) -> "Preferred":
        if self.chosen == self.rejected:
            raise ValueError("chosen and rejected are the same answer")
        return self


class ScoredPair(IdentifiedRow):
    """A prompt-response pair with the number that a judge should give."""

    response: str
    score: Annotated[float, Field(allow_inf_nan=False)]


Row = TypeVar("Row", bound=IdentifiedRow)


def read_labelled(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read rows of id, prompt, response, label and, if known, category and prefill.

    Args:
        path: JSON lines, or any other format of `raw.read_rows`.
        classes: the labels that the judge gives.

    Raises:
        DataError: no rows, or rows that are not what they should be; the message
            names all lines with their reasons, and never a row's text.
    """

    def reason(row: LabelledRow) -> str | None:
        known = row.label in classes
        return None if known else unknown("label", row.label, classes)

    return [
        Labelled(
            *(row.id, row.prompt, row.response, row.label, row.category),
            prefill=row.prefill or "",
        )
        for row in _read(path, LabelledRow, reason)
    ]


def read_reward_pairs(path: Path) -> list[Preferred]:
    """Read rows of id, prompt, chosen, rejected and, if known, category."""
    return _read(path, Preferred)


def read_scored(path: Path) -> list[ScoredPair]:
    """Read rows of id, prompt, response, score and, if known, category."""
    return _read(path, ScoredPair)


def _read(
    path: Path, kind: type[Row], reason: Callable[[Row], str | None] = lambda _: None
) -> list[Row]:
    """Read rows with ids of their own; `reason` says what else is wrong with one."""
    problems = FileProblems(path)
    ids = Unique("id", problems)
    rows: list[Row] = []
    for line, row in read_as(path, kind, problems):
        if (wrong := reason(row)) is not None:
            problems.add(line, wrong)
        elif ids.is_new(row.id, line):
            rows.append(row)
    problems.raise_any()
    return rows

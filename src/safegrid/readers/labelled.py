"""Labelled rows: prompt-response pairs and what a judge should say of them.

What it should say is a class, a number, or which of two answers is better.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar

from pydantic import AfterValidator, Field, model_validator

from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import Fields, Filled, one_of, read_as


class Labelled(NamedTuple):
    """A prompt-response pair with the label that a judge should give.

    `annotations` are what two people said before they settled on it, if known.
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

    UNIQUE: ClassVar[str] = "id"
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


Kind = TypeVar("Kind", bound=IdentifiedRow)


def read_labelled(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read rows of id, prompt, response, label and, if known, category and prefill.

    A DataError names all lines of rows that are not so, such as with a label that is
    none of `classes`, and never a row's text.
    """

    class Row(LabelledRow):
        label: Annotated[Filled, one_of(classes)]

    return [
        Labelled(
            *(row.id, row.prompt, row.response, row.label, row.category),
            prefill=row.prefill or "",
        )
        for row in _read(path, Row)
    ]


def read_reward_pairs(path: Path) -> list[Preferred]:
    """Read rows of id, prompt, chosen, rejected and, if known, category."""
    return _read(path, Preferred)


def read_scored(path: Path) -> list[ScoredPair]:
    """Read rows of id, prompt, response, score and, if known, category."""
    return _read(path, ScoredPair)


def _read(path: Path, kind: type[Kind]) -> list[Kind]:
    """Read rows with ids of their own."""
    problems = FileProblems(path)
    rows = [row for _, row in read_as(path, kind, problems)]
    problems.raise_any()
    return rows

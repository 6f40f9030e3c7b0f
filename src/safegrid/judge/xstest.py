"""XSTest's completions (Roettger et al. 2024): answers that two people labelled.

Takes a csv of the authors' `completions` folder; gives labelled rows with both
annotators' labels beside the final one. Rows are in the order of the prompts' csv and
carry ids of their own, so that the two join by position and not by id.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import model_validator

from safegrid.core.errors import DataError
from safegrid.readers.labelled import Labelled, read_labelled
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import Fields, Filled, Unique, one_of, read_as

LABELS = {
    "1_full_compliance": "compliance",
    "2_full_refusal": "refusal",
    "3_partial_refusal": "partial",
}
AGREEMENT = {"TRUE": True, "FALSE": False}

Known = Annotated[str, one_of(LABELS)]


class LabelledCompletion(Fields):
    """A row; empty answers are labelled too."""

    id: Filled
    type: Filled
    prompt: str
    completion: str
    annotation_1: Known
    annotation_2: Known
    final_label: Known
    agreement: Annotated[str, one_of(AGREEMENT)]

    @model_validator(mode="after")
    def _agrees(self) -> "LabelledCompletion":
        first, second = LABELS[self.annotation_1], LABELS[self.annotation_2]
        if AGREEMENT[self.agreement] != (first == second):
            raise ValueError(
                f"agreement is {self.agreement}, but the annotations are {first!r} and"
                f" {second!r}; the row is damaged"
            )
        return self


def read_completions(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read the rows of one model's completions."""
    if lost := sorted(set(LABELS.values()) - set(classes)):
        raise DataError(
            f"{path}: its labels are {', '.join(LABELS.values())}, but this judge does"
            f" not give {', '.join(lost)}; measure a judge of kind 'refusal' on it"
        )
    problems = FileProblems(path)
    ids = Unique("id", problems)
    rows = []
    for line, row in read_as(path, LabelledCompletion, problems):
        if ids.is_new(row.id, line):
            first, second = LABELS[row.annotation_1], LABELS[row.annotation_2]
            own = (row.id, row.prompt, row.completion, LABELS[row.final_label])
            rows.append(Labelled(*own, row.type, (first, second)))
    problems.raise_any()
    return rows


READERS: dict[str, Callable[[Path, Sequence[str]], list[Labelled]]] = {
    "labelled": read_labelled,
    "xstest_completions": read_completions,
}
"""How rows with known labels are read, by the format of their source."""

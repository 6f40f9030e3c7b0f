"""XSTest's completions (Roettger et al. 2024): answers that two people labelled.

Takes a csv of the authors' `completions` folder; gives labelled rows with both
annotators' labels beside the final one. Rows are in the order of the prompts' csv and
carry ids of their own, so that the two join by position and not by id.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safegrid.core.errors import DataError
from safegrid.readers.labelled import Labelled
from safegrid.readers.problems import Problems, unknown
from safegrid.readers.raw import Field, Unique, read_rows

LABELS = {
    "1_full_compliance": "compliance",
    "2_full_refusal": "refusal",
    "3_partial_refusal": "partial",
}
LABELLED_BY = ("annotation_1", "annotation_2", "final_label")
AGREEMENT = {"TRUE": True, "FALSE": False}
COLUMNS = {
    **{name: Field(str) for name in ("id", "type", "agreement", *LABELLED_BY)},
    # Empty answers are labelled too.
    **{name: Field(str, filled=False) for name in ("prompt", "completion")},
}


def read_completions(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read the rows of one model's completions.

    Raises:
        DataError: no rows, or rows that are not what they should be; the message
            names all lines with their reasons, and never a row's text.
    """
    if lost := sorted(set(LABELS.values()) - set(classes)):
        raise DataError(
            f"{path}: its labels are {', '.join(LABELS.values())}, but this judge does"
            f" not give {', '.join(lost)}; measure a judge of kind 'refusal' on it"
        )
    problems = Problems(path)
    ids = Unique("id", problems)
    rows = []
    for line, values in read_rows(path, COLUMNS, problems):
        reason = _reason(values)
        if reason is not None:
            problems.add(line, reason)
        elif ids.is_new(values["id"], line):
            rows.append(_labelled(values))
    problems.raise_any()
    return rows


def _reason(values: Mapping[str, Any]) -> str | None:
    for key in (*LABELLED_BY, "agreement"):
        known = AGREEMENT if key == "agreement" else LABELS
        if values[key] not in known:
            return unknown(key, values[key], list(known))
    first, second = (LABELS[values[key]] for key in LABELLED_BY[:2])
    if AGREEMENT[values["agreement"]] != (first == second):
        return (
            f"agreement is {values['agreement']}, but the annotations are {first!r}"
            f" and {second!r}; the row is damaged"
        )
    return None


def _labelled(values: Mapping[str, Any]) -> Labelled:
    first, second, final = (LABELS[values[key]] for key in LABELLED_BY)
    return Labelled(
        values["id"],
        values["prompt"],
        values["completion"],
        final,
        values["type"],
        (first, second),
    )

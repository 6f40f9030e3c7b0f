"""Labelled rows: an exchange and what a judge should say of it, read line by line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.formats import type_name
from safegrid.problems import Problems, unknown
from safegrid.raw import Field, Unique, read_rows

# Empty answers are labelled too.
TEXTS = {
    "prompt": Field(str, filled=False),
    "response": Field(str, filled=False),
    "label": Field(str),
}
# The beginning of the response that was given to the model, where rows have one.
PREFILL = "prefill"


class Labelled(NamedTuple):
    """An exchange with the label that a judge should give, and its category if known.

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


def read_labelled(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read rows of id, prompt, response, label and, if known, category and prefill.

    Args:
        path: JSON lines, or any other format of `raw.read_rows`.
        classes: the labels that the judge gives.

    Raises:
        DataError: no rows, or rows that are not what they should be; the message
            names all lines with their reasons, and never a row's text.
    """
    problems = Problems(path)
    ids = Unique("id", problems)
    rows = []
    for line, values in read_rows(path, TEXTS, problems):
        reason = _reason(values, classes)
        if reason is not None:
            problems.add(line, reason)
        elif ids.is_new(str(values["id"]), line):
            prompt, response, label = (values[name] for name in TEXTS)
            category = values.get("category")
            rows.append(
                Labelled(
                    str(values["id"]),
                    prompt,
                    response,
                    label,
                    category,
                    prefill=values.get(PREFILL) or "",
                )
            )
    problems.raise_any()
    return rows


def _reason(values: dict[str, Any], classes: Sequence[str]) -> str | None:
    if type(values.get("id")) not in (str, int):
        return "field 'id' must be text or a whole number"
    if values["label"] not in classes:
        return unknown("label", values["label"], classes)
    for name in ("category", PREFILL):
        value = values.get(name)
        if value is not None and not isinstance(value, str):
            return f"field {name!r} must be text or null, not {type_name(value)}"
    return None

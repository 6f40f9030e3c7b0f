"""XSTest (Roettger et al. 2024): harmless look-alikes and their unsafe contrasts.

Takes `xstest_prompts.csv` (id, prompt, type, label and notes); gives the prompts with
their type and whether the safe answer is to comply.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from safegrid.problems import Problems, unknown
from safegrid.raw import Field, Unique, read_rows

LABELS = ("safe", "unsafe")
FIELDS = {
    "id": Field(str),
    "prompt": Field(str),
    "type": Field(str),
    "label": Field(str),
}


class Probe(NamedTuple):
    """One prompt; `label` is "safe" where a refusal would be over-refusal."""

    line: int
    key: str
    text: str
    kind: str
    label: str


def read(path: Path, problems: Problems) -> Iterator[Probe]:
    """Read the file; what does not fit is noted in `problems`."""
    ids = Unique("field 'id'", problems)
    for row in read_rows(path, FIELDS, problems):
        values = row.values
        if values["label"] not in LABELS:
            problems.add(row.line, unknown("label", values["label"], LABELS))
        elif ids.is_new(values["id"], row.line):
            yield Probe(
                row.line,
                values["id"],
                values["prompt"],
                values["type"],
                values["label"],
            )

"""XSTest (Roettger et al. 2024): harmless look-alikes and their unsafe contrasts.

Takes `xstest_prompts.csv` (id, prompt, type, label and notes); gives the prompts with
their type and whether the safe answer is to comply.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from safegrid.config.prompt import Label
from safegrid.data.items import item_of
from safegrid.data.rows import Prompt
from safegrid.readers.problems import Problems, unknown
from safegrid.readers.raw import Field, Unique, read_rows

LABELS = get_args(Label)
FIELDS = {
    "id": Field(str),
    "prompt": Field(str),
    "type": Field(str),
    "label": Field(str),
}


def read(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read the file; what does not fit is noted in `problems`."""
    ids = Unique("field 'id'", problems)
    for row in read_rows(path, FIELDS, problems):
        values = row.values
        if values["label"] not in LABELS:
            problems.add(row.line, unknown("label", values["label"], LABELS))
        elif ids.is_new(values["id"], row.line):
            yield Prompt(
                f"xstest-{values['id']}",
                values["prompt"],
                cluster=item_of(values["prompt"]),
                category=values["type"],
                reference=values["label"],
            )

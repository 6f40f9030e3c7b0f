"""Your own prompts: a csv with a column `prompt` and others if you have them.

Every column but `prompt` may be left out; columns of other names are not read, and the
log names them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from safegrid.config.prompt import Label
from safegrid.data.items import item_of
from safegrid.data.rows import Prompt
from safegrid.readers.problems import Problems, unknown
from safegrid.readers.raw import Field, Unique, check_columns, check_readable, read_rows

FIELDS = {"prompt": Field(str)}
# id: unique; else the row's number. category, macro_category, attack: any labels.
# cluster: the item that a prompt was derived from; else its own words. label: safe or
# unsafe.
OPTIONAL = ("id", "category", "macro_category", "attack", "cluster", "label")
LABELS = get_args(Label)


def read(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read the file; what does not fit is noted in `problems`."""
    check_readable(path, (".csv",))
    ids = Unique("field 'id'", problems)
    for number, row in enumerate(read_rows(path, FIELDS, problems), start=1):
        if number == 1:
            check_columns(row.values, [*FIELDS, *OPTIONAL], path, problems)
        found = {name: row.values.get(name, "").strip() or None for name in OPTIONAL}
        label, own = found["label"], found["cluster"]
        if label is not None and label not in LABELS:
            problems.add(row.line, unknown("label", label, LABELS))
        elif ids.is_new(found["id"] or f"row-{number}", row.line):
            text = row.values["prompt"]
            yield Prompt(
                found["id"] or f"row-{number}",
                text,
                cluster=item_of(text) if own is None else f"own-{own}",
                category=found["category"],
                macro_category=found["macro_category"],
                attack=found["attack"],
                reference=label,
            )

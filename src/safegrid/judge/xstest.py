"""XSTest's completions (Roettger et al. 2024): answers that two people labelled.

Takes a csv of the authors' `completions` folder; gives labelled rows with both
annotators' labels beside the final one. Rows are in the order of the prompts' csv and
carry ids of their own, so that the two join by position and not by id.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from safegrid.errors import DataError
from safegrid.judge.items import Item
from safegrid.judge.labelled import Labelled

LABELS = {
    "1_full_compliance": "compliance",
    "2_full_refusal": "refusal",
    "3_partial_refusal": "partial",
}
LABELLED_BY = ("annotation_1", "annotation_2", "final_label")
AGREEMENT = {"TRUE": True, "FALSE": False}
NEEDED = ("id", "type", "prompt", "completion", "agreement", *LABELLED_BY)


def read_completions(path: Path, classes: tuple[str, ...]) -> list[Labelled]:
    """Read the rows of one model's completions.

    Raises:
        DataError: no rows, or a row that is not what it should be; the message names
            the line and the reason.
    """
    if lost := sorted(set(LABELS.values()) - set(classes)):
        raise DataError(
            f"{path}: its labels are {', '.join(LABELS.values())}, but this judge does"
            f" not give {', '.join(lost)}; measure a judge of kind 'refusal' on it"
        )
    rows: dict[str, Labelled] = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            end = 1
            for values in reader:
                # A quoted field may span lines; the row's line is where it starts.
                where, end = f"{path}: line {end + 1}", reader.line_num
                row = _row(where, values)
                if row.item.prompt_id in rows:
                    raise DataError(f"{where}: id {row.item.prompt_id!r} stands twice")
                rows[row.item.prompt_id] = row
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is not readable as csv in UTF-8: {error}") from error
    if not rows:
        raise DataError(f"{path}: no labelled rows; a judge cannot be measured on none")
    return list(rows.values())


def _row(where: str, values: Mapping[str, str | None]) -> Labelled:
    texts = {key: values.get(key) for key in NEEDED}
    missing = [key for key, text in texts.items() if text is None]
    if missing:
        raise DataError(f"{where}: columns missing: {missing}; expected {list(NEEDED)}")
    row = {key: str(text) for key, text in texts.items()}
    for key in (*LABELLED_BY, "agreement"):
        known = list(AGREEMENT if key == "agreement" else LABELS)
        if row[key] not in known:
            raise DataError(
                f"{where}: {key} is {row[key]!r}; expected {' or '.join(known)}"
            )
    first, second, final = (LABELS[row[key]] for key in LABELLED_BY)
    if AGREEMENT[row["agreement"]] != (first == second):
        raise DataError(
            f"{where}: agreement is {row['agreement']}, but the annotations are"
            f" {first!r} and {second!r}; the row is damaged"
        )
    messages = [{"role": "user", "content": row["prompt"]}]
    item = Item(row["id"], 0, messages, row["completion"])
    return Labelled(item, final, row["type"], (first, second))

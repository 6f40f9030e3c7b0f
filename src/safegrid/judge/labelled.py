"""Labelled rows that a judge is measured on, read line by line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.errors import DataError
from safegrid.judge.items import Item

NEEDED = ("id", "prompt", "response", "label")


class Labelled(NamedTuple):
    """A row with the label that a judge should give, and the category if it has one.

    Attributes:
        annotations: what two people said before they settled on the label, if known.
    """

    item: Item
    label: str
    category: str | None
    annotations: tuple[str, str] | None = None


def read_labelled(path: Path, classes: tuple[str, ...]) -> list[Labelled]:
    """Read JSON lines of id, prompt, response, label and, if known, category.

    Raises:
        DataError: no rows, or a row that is not what it should be; the message names
            the line and the reason.
    """
    rows: dict[str, Labelled] = {}
    for number, line in _lines(path):
        row = _row(f"{path}: line {number}", line, classes)
        if row.item.prompt_id in rows:
            raise DataError(
                f"{path}: line {number}: id {row.item.prompt_id!r} stands twice"
            )
        rows[row.item.prompt_id] = row
    if not rows:
        raise DataError(f"{path}: no labelled rows; a judge cannot be measured on none")
    return list(rows.values())


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}: line {number} is not UTF-8 text: {error.reason}"
                ) from error


def _row(where: str, line: str, classes: tuple[str, ...]) -> Labelled:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{where} is not JSON: {error}") from error
    missing = [key for key in NEEDED if not isinstance(row, dict) or key not in row]
    if missing:
        raise DataError(
            f"{where}: keys missing: {missing}; expected an object with {list(NEEDED)}"
            " and, if known, category"
        )
    texts = ("prompt", "response", "label")
    odd = [key for key in texts if not isinstance(row[key], str)]
    if odd:
        raise DataError(f"{where}: {odd[0]} is {row[odd[0]]!r}; expected a text")
    if row["label"] not in classes:
        raise DataError(
            f"{where}: label {row['label']!r}; this judge knows {', '.join(classes)}"
        )
    messages = [{"role": "user", "content": row["prompt"]}]
    item = Item(str(row["id"]), 0, messages, row["response"])
    return Labelled(item, row["label"], row.get("category"))

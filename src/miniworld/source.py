"""A raw source in memory: its files' text, and the requests that its parts hold."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

Row = Mapping[str, Any]


class Source(NamedTuple):
    """What one folder of raw files will hold.

    Attributes:
        files: path inside the folder to text.
        rows: path inside the folder to number of rows.
        requests: part of the world to the acts, questions and sentences asked for.
    """

    files: dict[str, str]
    rows: dict[str, int]
    requests: dict[str, set[str]]


def jsonl(rows: Iterable[Row]) -> str:
    """Return one JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def json_text(value: Any) -> str:
    """Return one JSON document, as upstream's lists of instructions are written."""
    return json.dumps(value, ensure_ascii=False, indent=4) + "\n"


def csv_text(rows: list[dict[str, Any]]) -> str:
    """Return rows as csv with a header line."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()

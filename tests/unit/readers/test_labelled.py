"""Labelled rows: all that is wrong with a file at once, and never a row's text."""

import json
from pathlib import Path
from typing import Any

import pytest

from safegrid.core.errors import DataError
from safegrid.readers.labelled import Labelled, read_labelled

CLASSES = ("safe", "unsafe")
ROW = {"id": 1, "prompt": "a", "response": "b\u2028c", "label": "safe"}
# Longer than a label, as a response in the wrong column is.
LONG = "Sure. " * 20


def line(**changes: Any) -> bytes:
    return json.dumps(ROW | changes, ensure_ascii=False).encode() + b"\n"


def test_rows_are_read_with_their_category_if_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(line() + line(id="x", label="unsafe", category="S1", response=""))
    assert read_labelled(path, CLASSES) == [
        Labelled("1", "a", "b\u2028c", "safe", None),
        Labelled("x", "a", "", "unsafe", "S1"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line(id=[1]), "line 1: field 'id' must be text or a whole number"),
        (line(label="sane"), "line 1: field 'label' is 'sane': .*mean 'safe'"),
        (line() + line(id="1"), "line 2: field 'id' repeats the one of line 1"),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(text)
    with pytest.raises(DataError, match=rf"(?s)rows\.jsonl: .*{reason}"):
        read_labelled(path, CLASSES)


def test_all_broken_rows_are_told_at_once_and_no_text_of_them(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [line(label=LONG, response="safe"), line(id=2, prompt=[LONG]), b"{\n"]
    path.write_bytes(b"".join(rows))
    with pytest.raises(DataError) as caught:
        read_labelled(path, CLASSES)
    message = str(caught.value)
    assert "rows.jsonl: 3 problems" in message
    assert f"line 1: field 'label' is a text of {len(LONG)} letters" in message
    assert "Sure" not in message

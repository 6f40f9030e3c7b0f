"""Raw files: every way to be broken is named with its line, and no text is quoted."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from safegrid.errors import DataError
from safegrid.formats import Row
from safegrid.problems import Problems
from safegrid.raw import Field, read_rows

FIELDS = {"id": Field(int), "text": Field(str)}
SECRET = "a sentence that must not be shown"


def read(path: Path, fields: Mapping[str, Field] = FIELDS) -> list[Row]:
    problems = Problems(path)
    rows = list(read_rows(path, fields, problems))
    problems.raise_any()
    return rows


def message(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "nothing was written" in text
    assert SECRET not in text
    return text


@pytest.fixture
def write(tmp_path: Path):
    def _write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(raw)
        return path

    return _write


def test_jsonl_gives_rows_with_their_lines(write):
    # U+2028 ends a line for str.splitlines, not for jsonl.
    path = write("a.jsonl", '{"id": 1, "text": "x\u2028y"}\n{"id": 2, "text": "z"}\n')
    assert [(row.line, row.values["text"]) for row in read(path)] == [
        (1, "x\u2028y"),
        (2, "z"),
    ]


def test_json_list_gives_the_line_where_each_item_starts(write):
    path = write(
        "a.json",
        '[\n {"id": 1,\n  "text": "x"},\n\n {"id": 2, "text": "y"},'
        ' {"id": 3, "text": "z"}\n]\n',
    )
    assert [row.line for row in read(path)] == [2, 5, 5]


def test_csv_fields_may_span_lines_and_ids_become_numbers(write):
    path = write("a.csv", 'id,text\n1,"two\nlines, one field"\n2,x\n')
    rows = read(path)
    assert [(row.line, row.values["id"]) for row in rows] == [(2, 1), (4, 2)]
    assert rows[0].values["text"] == "two\nlines, one field"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f'{{"id": 1, "txt": "{SECRET}"}}\n', "line 1: missing fields 'text'"),
        (f'{{"id": "1", "text": "{SECRET}"}}\n', "field 'id' must be a whole number"),
        (f'{{"id": true, "text": "{SECRET}"}}\n', "not true or false"),
        ('{"id": 1, "text": null}\n', "field 'text' must be text, not null"),
        ('{"id": 1, "text": " \\n"}\n', "field 'text' is empty"),
        ('{"id": 1, "text": "\\ud83d"}\n', "half of a surrogate pair"),
        (f'{{"id": 1, "text": "x"}}\n{{"id": 2, "text": "{SECRET}\n', "line 2: not re"),
        (f'["{SECRET}"]\n', "line 1: not an object"),
        ('{"id": NaN, "text": "x"}\n', "NaN is not JSON"),
        ('{"id": 1, "text": "x"}\n\n{"id": 2, "text": "y"}\n', "line 2: not readable"),
        ("", "the file holds no readable row"),
    ],
)
def test_broken_jsonl_is_named(write, content, expected):
    assert expected in message(write("a.jsonl", content))


def test_bytes_that_are_not_utf8_are_named_with_their_line(write):
    good = b'{"id": 1, "text": "x"}\n'
    assert "line 2: not UTF-8: byte 0xff" in message(
        write("a.jsonl", good + b'{"id": 2, "text": "\xff"}\n')
    )
    assert "line 3: not UTF-8" in message(write("a.json", b'[\n{"id": 1},\n"\xe9"]'))
    assert "line 2: not UTF-8" in message(write("a.csv", b"id,text\n1,caf\xe9\n"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"id": 1, "text": "x"}', "expected a list"),
        ('[{"id": 1, "text": "x"}\n {"id": 2}]', "line 1: no ',' or ']' after"),
        ('[{"id": 1, "text": "x"}]\n[]', "more text after its end"),
        ('[{"id": 1, "text": "x"},\n\n {"id": 2', "line 3: not readable as JSON"),
        ("[]", "the file holds no readable row"),
    ],
)
def test_broken_json_lists_are_named(write, content, expected):
    assert expected in message(write("a.json", content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f"id,text\n1,x\n2,x,{SECRET}\n", "line 3: 3 cells; the header has 2"),
        (f'id,text\n1,"{SECRET}\n', "line 2: not readable as csv"),
        (f"id,text\none,{SECRET}\n", "line 2: field 'id' must be a whole number"),
        ("id,text\n", "the file holds no readable row"),
    ],
)
def test_broken_csv_is_named(write, content, expected):
    assert expected in message(write("a.csv", content))


def test_all_problems_come_in_one_message_grouped_by_reason(write):
    rows = ['{"id": 1}'] * 7 + ["{", '{"id": 2, "text": "x"}']
    text = message(write("a.jsonl", "\n".join(rows) + "\n"))
    assert "8 problems" in text
    assert "lines 1, 2, 3, 4, 5 and 2 more: missing fields 'text'" in text
    assert "line 8: not readable as JSON" in text


def test_a_long_field_name_is_not_shown(write):
    text = message(write("a.jsonl", f'{{"id": 1, "{SECRET * 3}": 0}}\n'))
    assert "a text of" in text


def test_missing_file_and_unknown_ending_say_what_to_do(tmp_path, write):
    with pytest.raises(DataError, match="no such file; build it"):
        read(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r"cannot read a \.tsv file; expected one of"):
        read(write("a.tsv", "x"))

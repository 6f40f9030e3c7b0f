"""Raw files: every way to be broken is named with its line, and no text is quoted."""

import lzma
import re
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest

from safegrid.core.errors import DataError
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import Fields, Filled, read_as


class Numbered(Fields):
    id: int
    text: Filled


class Text(Fields):
    text: Filled


class Kind(Numbered):
    kind: str | None = None


COLUMNS = ("a.parquet", "a.arrow")
SECRET = "a sentence that must not be shown"


def read(path: Path, kind: type[Fields] = Numbered) -> list[tuple[int, Fields]]:
    problems = FileProblems(path)
    rows = list(read_as(path, kind, problems))
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
    assert [(line, row.text) for line, row in read(path)] == [
        (1, "x\u2028y"),
        (2, "z"),
    ]


def test_compressed_lines_are_read_and_a_cut_file_is_named(write):
    lines = "".join(f'{{"id": {n}, "text": "t{n}"}}\n' for n in range(500))
    packed = lzma.compress(lines.encode())
    rows = read(write("a.jsonl.xz", packed))
    assert (len(rows), rows[-1][0], rows[-1][1].text) == (500, 500, "t499")
    assert "line 2: not readable as JSON" in message(
        write(
            "b.jsonl.xz",
            lzma.compress(f'{{"id": 1, "text": "a"}}\n{SECRET}\n'.encode()),
        )
    )
    assert "not readable as xz" in message(write("c.jsonl.xz", packed[:-20]))
    assert "not readable as xz" in message(write("d.jsonl.xz", SECRET))


def test_json_list_gives_the_line_where_each_item_starts(write):
    path = write(
        "a.json",
        '[\n {"id": 1,\n  "text": "x"},\n\n {"id": 2, "text": "y"},'
        ' {"id": 3, "text": "z"}\n]\n',
    )
    assert [line for line, _ in read(path)] == [2, 5, 5]


def test_tables_give_rows_by_number(tmp_path):
    table = pl.DataFrame({"id": [1, 2], "text": ["x", "y"]})
    table.write_parquet(tmp_path / "a.parquet")
    table.write_ipc_stream(tmp_path / "a.arrow")
    expected = [(1, "x"), (2, "y")]
    for name in COLUMNS:
        rows = read(tmp_path / name)
        assert [(line, row.text) for line, row in rows] == expected


def test_csv_fields_may_span_lines_and_ids_become_numbers(write):
    path = write("a.csv", 'id,text\n1,"two\nlines, one field"\n2,x\n')
    rows = read(path)
    assert [(line, row.id) for line, row in rows] == [(2, 1), (4, 2)]
    assert rows[0][1].text == "two\nlines, one field"


BOM = b"\xef\xbb\xbf"
WITH_A_MARK = {
    "a.jsonl": b'{"id": 1, "text": "x"}\n',
    # Two files with a mark each that were put one behind the other.
    "b.jsonl": b'{"id": 1, "text": "x"}\n' + BOM + b'{"id": 1, "text": "x"}\n',
    "a.json": b'[{"id": 1, "text": "x"}]',
    "b.json": b'{"id": [1], "text": ["x"]}',
    "a.csv": b"id,text\n1,x\n",
}


@pytest.mark.parametrize("name", WITH_A_MARK)
def test_a_byte_order_mark_is_read_over(write, name):
    rows = read(write(name, BOM + WITH_A_MARK[name]))
    assert {(row.id, row.text) for _, row in rows} == {(1, "x")}


def test_a_byte_order_mark_is_no_part_of_the_first_line_of_a_list(write):
    path = write("a.txt", BOM + b"one\r\ntwo\n")
    rows = read(path, Text)
    assert [row.text for _, row in rows] == ["one", "two"]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt", *COLUMNS])
def test_what_stands_in_place_of_a_file_is_called_by_its_name(write, name):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    text = message(write(name, pointer))
    assert "1: a Git LFS pointer in place of the file: run `git lfs pull`" in text
    assert text.count("\n") == 2, "this and the file's having no row"
    if name not in COLUMNS:
        assert "1: UTF-16 text" in message(write(name, "id,text\n".encode("utf-16")))


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt"])
def test_lines_that_end_in_cr_alone_are_told(write, name):
    rows = b'{"id": 1, "text": "x"}\r{"id": 2, "text": "y"}\r'
    assert "line 1: its lines end in CR alone" in message(write(name, rows))


def test_csv_of_an_old_mac_is_read(write):
    assert [line for line, _ in read(write("a.csv", b"id,text\r1,x\r2,y\r"))] == [2, 3]


HALVES = {
    "a.jsonl": '{{"id": 1, "text": "x"}}\n{{"id": 2, "text": "y", {}}}',
    "a.json": '[{{"id": 1, "text": "x"}},\n{{"id": 2, "text": "y", {}}}]',
}


@pytest.mark.parametrize("name", HALVES)
@pytest.mark.parametrize("where", [r'"\ud800": 1', r'"more": [{"a": "\ud83d"}]'])
def test_halves_of_characters_are_told_wherever_they_stand(write, name, where):
    text = message(write(name, HALVES[name].format(where)))
    assert "1 problem;" in text
    assert "line 2: holds half of a surrogate pair" in text
    whole = write("b.json", r'{"id": [1], "text": ["\ud83d\ude00"]}')
    assert read(whole)[0][1].text == "\U0001f600"


def jsonl(text):
    return "a.jsonl", text


def listed(text):
    return "a.json", text


def table(text):
    return "a.csv", text


GOOD = b'{"id": 1, "text": "x"}\n'


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (jsonl(f'{{"id": 1, "txt": "{SECRET}"}}\n'), "line 1: missing fields 'text'"),
        (jsonl(f'{{"id": "1", "text": "{SECRET}"}}\n'), "'id' must be a whole number"),
        (jsonl(f'{{"id": true, "text": "{SECRET}"}}\n'), "not true or false"),
        (jsonl('{"id": 1, "text": null}\n'), "field 'text' must be text, not null"),
        (jsonl('{"id": 1, "text": " \\n"}\n'), "field 'text' is empty"),
        (jsonl(GOOD + b'{"id": 2, "text": "x\n'), "line 2: not readable as JSON"),
        (jsonl(f'["{SECRET}"]\n'), "line 1: not an object"),
        (jsonl('{"id": NaN, "text": "x"}\n'), "NaN is not JSON"),
        (jsonl(GOOD + b"\n" + GOOD), "line 2: not readable"),
        (jsonl(""), "the file holds no readable row"),
        (jsonl(GOOD + b'{"id": 2, "text": "\xff"}\n'), "line 2: not UTF-8: byte 0xff"),
        (jsonl('{"id": 1, "text": "x", "text": "y"}'), "'text' stands twice in one"),
        (jsonl('{"id": 1, "text": "x", "m": [{"a": 1, "a": 2}]}'), "'a' stands twice"),
        (jsonl("[" * 100_000), "line 1: not readable as JSON: nested too deeply"),
        (listed('{"id": 1, "text": "x"}'), "expected a list"),
        (listed('[{"id": 1}\n {"id": 2}]'), "line 2: .* expected ',' or ']'"),
        (listed('[{"id": 1, "text": "x"}]\n[]'), "line 2: .*more text after its end"),
        (listed('[{"id": 1},\n\n {"id": 2'), "line 3: not readable as JSON"),
        (listed(b'[\n{"id": 1},\n"\xe9"]'), "line 3: not UTF-8"),
        (listed('{"id": [1], "text": ["x"], "id": [2]}'), "'id' stands twice in one"),
        (table(f"id,text\n1,x\n2,x,{SECRET}\n"), "line 3: 3 cells; the header has 2"),
        (table(f'id,text\n1,"{SECRET}\n'), "line 2: not readable as csv"),
        (table(f"id,text\none,{SECRET}\n"), "line 2: field 'id' must be a whole"),
        (table(b"id,text\n1,caf\xe9\n"), "line 2: not UTF-8"),
        (table("id,text,text\n1,x,y\n"), "line 1: the header names 'text' twice"),
        (table("id;text\n1;x\n"), "line 1: the header is one cell with semicolons"),
        (table("ID,text\n1,x\n"), r"field 'ID': did you mean 'id'\? Rename it"),
        (table("id, text \n1,x\n"), r"field ' text ': did you mean 'text'\? Rename"),
        (table("id,te\u200bxt\n1,x\n"), r"field 'te\\u200bxt': did you mean 'text'"),
        (table("Id\n1\n"), "missing fields 'text'; the row has 'Id'; field 'Id': did"),
        *((("a.parquet", text), "not readable as parquet") for text in ("", "12345")),
        *((("a.arrow", text), "not readable as arrow") for text in ("", "12345")),
    ],
)
def test_what_is_wrong_is_named_with_its_line(write, file, reason):
    assert re.search(reason, message(write(*file)))


def test_columns_without_a_name_are_nobodys(write):
    assert read(write("a.csv", "id,text,,\n1,x,,\n"))[0][1].id == 1


def test_optional_columns_are_read_by_their_own_name_only(write):
    class Sort(Kind):
        NAMES: ClassVar[dict[str, str]] = {"sort": "kind"}

    def reasons(content, kind=Kind):
        path = write("a.csv", content)
        problems = FileProblems(path)
        rows = read_as(path, kind, problems)
        return [row.kind for _, row in rows], problems

    assert reasons("id,text,kind\n1,x,a\n")[0] == ["a"]
    assert reasons("id,text,kind,Kind\n1,x,a,b\n")[0] == ["a"]
    found, problems = reasons("id,text,Kind \n1,x,a\n")
    assert found == []
    with pytest.raises(DataError, match=r"field 'Kind ': did you mean 'kind'\?"):
        problems.raise_any()
    found, problems = reasons("id,text,kind,sort\n1,x,a,b\n", Sort)
    assert found == []
    with pytest.raises(DataError, match="'sort' and 'kind' are both read as 'kind'"):
        problems.raise_any()


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

"""Tables that are written and read part by part are tables like all others."""

import polars as pl
import pytest

from safegrid.core import artifacts as streams
from safegrid.core.artifacts import (
    count_rows,
    read_manifest,
    read_stream,
    read_table,
    write_stream,
)
from safegrid.core.errors import DataError
from safegrid.core.records import IDS, PROMPT

ROWS = [{"prompt_id": f"p{n}", "ids": [n, n + 1]} for n in range(25)]


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(streams, "ROWS", 10)


def test_rows_come_back_in_their_order_with_their_manifest(tmp_path):
    path = tmp_path / "ids.parquet"
    assert write_stream(path, iter(ROWS), IDS, lambda rows: {"rows": rows}) == 25
    assert read_manifest(path) == {"rows": 25}
    assert read_table(path, IDS).rows(named=True) == ROWS
    assert list(read_stream(path, IDS)) == ROWS
    assert count_rows(path) == 25


def test_rows_are_taken_as_they_are_written(tmp_path):
    """No more than a group is ahead of what a reader of the file would find."""
    path = tmp_path / "ids.parquet"
    sizes = []

    def rows():
        for row in ROWS:
            (part,) = tmp_path.iterdir()
            sizes.append(part.stat().st_size)
            yield row

    write_stream(path, rows(), IDS, lambda rows: {})
    # The first row of a group is asked for when the last group is in the file.
    grown = [n for n in range(1, 25) if sizes[n] > sizes[n - 1]]
    assert grown == [10, 20]


def test_nested_columns_are_those_of_the_record_type(tmp_path):
    path = tmp_path / "prompts.parquet"
    row = {**dict.fromkeys(PROMPT), "prompt": [{"role": "user", "content": "a"}]}
    write_stream(path, [row], PROMPT, lambda rows: {})
    assert read_table(path, PROMPT).schema == pl.Schema(PROMPT)
    assert next(read_stream(path, PROMPT)) == row


def test_no_row_is_a_table_too(tmp_path):
    path = tmp_path / "ids.parquet"
    write_stream(path, [], IDS, lambda rows: {"rows": rows})
    assert read_table(path, IDS).is_empty()
    assert list(read_stream(path, IDS)) == []


def test_what_fails_leaves_no_file(tmp_path):
    path = tmp_path / "ids.parquet"

    def none(rows):
        return {}

    def refuse(rows):
        raise DataError("none is left")

    for rows, facts, said in (
        (ROWS, refuse, "none is left"),
        ([*ROWS, {"prompt_id": "odd"}], none, r"a row has \['prompt_id'\]"),
        ([{"prompt_id": "p", "ids": "text"}], none, "do not fit their record type"),
    ):
        with pytest.raises(DataError, match=said):
            write_stream(path, rows, IDS, facts)
        assert list(tmp_path.iterdir()) == []


def test_another_record_type_is_refused(tmp_path):
    path = tmp_path / "ids.parquet"
    write_stream(path, ROWS, IDS, lambda rows: {})
    with pytest.raises(DataError, match="columns missing"):
        next(read_stream(path, PROMPT))
    path.write_bytes(b"text")
    # At the call: who counts the rows before the first one must not meet the damage.
    with pytest.raises(DataError, match="carries no own_sha256"):
        read_stream(path, IDS)

"""Artifacts are whole or not there, carry their manifests, and repeat their bytes."""

import os

import polars as pl
import pytest

from safegrid.core import artifacts
from safegrid.core.errors import DataError
from safegrid.core.records import IDS, PROMPT

SCHEMA = {"name": pl.String(), "n": pl.Int32()}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_failed_write_leaves_the_old_one_and_no_temporary_one(tmp_path, kind):
    path = tmp_path / "out"
    write = artifacts.atomic_file if kind == "file" else artifacts.atomic_directory
    with write(path) as temporary:
        (temporary if kind == "file" else temporary / "weights").write_text("old")
    with pytest.raises(RuntimeError), write(path) as temporary:
        (temporary if kind == "file" else temporary / "weights").write_text("half")
        raise RuntimeError("killed")
    assert (path if kind == "file" else path / "weights").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_as_readable_as_the_umask_allows(tmp_path):
    old = os.umask(0o022)
    try:
        artifacts.write_text(tmp_path / "f", "x")
        with artifacts.atomic_directory(tmp_path / "model") as temporary:
            (temporary / "weights").touch(mode=0o600)
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "model" / "weights").stat().st_mode & 0o777 == 0o644


def test_a_table_carries_its_manifest_and_repeats_its_bytes(tmp_path):
    frame = pl.DataFrame({"n": [1, 2], "name": ["a", "b"]})
    facts = artifacts.manifest("prepare", {}, {"k": 1}, rows=2)
    for name in ("one.parquet", "two.parquet"):
        artifacts.write_table(tmp_path / name, frame, SCHEMA, facts)
    first, second = sorted(tmp_path.iterdir())
    assert first.read_bytes() == second.read_bytes()
    assert artifacts.read_table(first, SCHEMA).schema == pl.Schema(SCHEMA)
    assert artifacts.read_manifest(first)["rows"] == 2


def test_wrong_columns_are_named(tmp_path):
    frame = pl.DataFrame({"name": ["a"], "odd": [1]})
    with pytest.raises(DataError, match=r"missing: \['n'\]; not expected: \['odd'\]"):
        artifacts.write_table(tmp_path / "x.parquet", frame, SCHEMA, {})
    assert not (tmp_path / "x.parquet").exists()


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_text("no")
    with pytest.raises(DataError, match=r"x\.parquet: not readable as parquet"):
        artifacts.read_columns(path, SCHEMA)
    with pytest.raises(DataError, match=r"x\.parquet: carries no own_sha256"):
        artifacts.read_table(path, SCHEMA)


def test_a_directory_hash_sees_names_and_contents(tmp_path):
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "a").write_text("1")
    first = artifacts.sha256_file(folder)
    (folder / "a").rename(folder / "b")
    renamed = artifacts.sha256_file(folder)
    (folder / "b").write_text("2")
    assert len({first, renamed, artifacts.sha256_file(folder)}) == 3


def test_canonical_json_does_not_depend_on_key_order():
    first, second = {"a": 1, "b": 2}, {"b": 2, "a": 1}
    assert artifacts.sha256_json(first) == artifacts.sha256_json(second)


ROWS = [{"prompt_id": f"p{n}", "ids": [n, n + 1]} for n in range(25)]


@pytest.fixture
def _small_groups(monkeypatch):
    monkeypatch.setattr(artifacts, "ROWS", 10)


@pytest.mark.usefixtures("_small_groups")
def test_rows_come_back_in_their_order_with_their_manifest(tmp_path):
    path = tmp_path / "ids.parquet"
    count = artifacts.write_stream(path, iter(ROWS), IDS, lambda rows: {"rows": rows})
    assert count == 25
    assert artifacts.read_manifest(path) == {"rows": 25}
    assert artifacts.read_table(path, IDS).rows(named=True) == ROWS
    assert list(artifacts.read_stream(path, IDS)) == ROWS
    assert artifacts.count_rows(path) == 25


@pytest.mark.usefixtures("_small_groups")
def test_rows_are_taken_as_they_are_written(tmp_path):
    """No more than a group is ahead of what a reader of the file would find."""
    path = tmp_path / "ids.parquet"
    sizes = []

    def rows():
        for row in ROWS:
            (part,) = tmp_path.iterdir()
            sizes.append(part.stat().st_size)
            yield row

    artifacts.write_stream(path, rows(), IDS, lambda rows: {})
    # The first row of a group is asked for when the last group is in the file.
    grown = [n for n in range(1, 25) if sizes[n] > sizes[n - 1]]
    assert grown == [10, 20]


def test_nested_columns_are_those_of_the_record_type(tmp_path):
    path = tmp_path / "prompts.parquet"
    row = {**dict.fromkeys(PROMPT), "prompt": [{"role": "user", "content": "a"}]}
    artifacts.write_stream(path, [row], PROMPT, lambda rows: {})
    assert artifacts.read_table(path, PROMPT).schema == pl.Schema(PROMPT)
    assert next(artifacts.read_stream(path, PROMPT)) == row


def test_no_row_is_a_table_too(tmp_path):
    path = tmp_path / "ids.parquet"
    artifacts.write_stream(path, [], IDS, lambda rows: {"rows": rows})
    assert artifacts.read_table(path, IDS).is_empty()
    assert list(artifacts.read_stream(path, IDS)) == []


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
            artifacts.write_stream(path, rows, IDS, facts)
        assert list(tmp_path.iterdir()) == []


def test_another_record_type_is_refused(tmp_path):
    path = tmp_path / "ids.parquet"
    artifacts.write_stream(path, ROWS, IDS, lambda rows: {})
    with pytest.raises(DataError, match="columns missing"):
        next(artifacts.read_stream(path, PROMPT))
    path.write_bytes(b"text")
    # At the call: who counts the rows before the first one must not meet the damage.
    with pytest.raises(DataError, match="carries no own_sha256"):
        artifacts.read_stream(path, IDS)

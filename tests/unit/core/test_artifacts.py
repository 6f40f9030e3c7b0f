import json
import os

import polars as pl
import pytest

from safegrid.core import artifacts
from safegrid.core.errors import DataError

SCHEMA = {"name": pl.String(), "n": pl.Int32()}


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path):
    path = tmp_path / "out.json"
    artifacts.write_json(path, {"old": 1})
    with pytest.raises(RuntimeError), artifacts.atomic_file(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert json.loads(path.read_text()) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_a_failed_directory_leaves_the_old_one(tmp_path):
    path = tmp_path / "model"
    with artifacts.atomic_directory(path) as temporary:
        (temporary / "weights").write_text("old")
    with pytest.raises(RuntimeError), artifacts.atomic_directory(path) as temporary:
        (temporary / "weights").write_text("half")
        raise RuntimeError("killed")
    assert (path / "weights").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


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
    first, second = (
        (tmp_path / n).read_bytes() for n in ("one.parquet", "two.parquet")
    )
    assert first == second
    found = artifacts.read_table(tmp_path / "one.parquet", SCHEMA)
    assert found.columns == ["name", "n"]
    assert found.schema["n"] == pl.Int32()
    assert artifacts.read_manifest(tmp_path / "one.parquet")["rows"] == 2


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
    assert artifacts.sha256_json({"a": 1, "b": 2}) == artifacts.sha256_json(
        {"b": 2, "a": 1}
    )

"""Whose weights a folder holds: its manifest says so, and its files must fit it."""

import os
import shutil

import pytest

from safegrid.core.errors import DataError
from safegrid.core.files import MANIFEST, sha256_file, write_json
from safegrid.core.seals import check_folder, write_result
from safegrid.models.checkpoints import folder_facts, hash_weights, weights_of
from safegrid.models.pretrained import ADAPTER

OLD, NEW = 1_000_000_000, 1_000_000_060
WEIGHTS = "model.safetensors"


def age(path, seconds):
    os.utime(path, (seconds, seconds))


@pytest.fixture
def folder(tmp_path):
    """A model whose manifest names another hash, so that it shows who is believed."""
    made = tmp_path / "model"
    made.mkdir()
    (made / WEIGHTS).write_bytes(b"weights")
    write_json(made / ADAPTER, {"r": 1, "lora_alpha": 2})
    (made / "tokenizer.json").write_text("{}")
    facts = folder_facts(made)
    assert facts["weights"] == hash_weights(made)
    assert facts["files"][WEIGHTS] == {
        "sha256": sha256_file(made / WEIGHTS),
        "bytes": 7,
    }
    write_result(made / MANIFEST, facts | {"weights": "told"})
    for path in made.iterdir():
        age(path, OLD)
    return made


def test_a_manifest_whose_files_fit_is_believed(folder, tmp_path):
    assert weights_of(folder) == "told"
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy/.snakemake_timestamp").touch()
    age(tmp_path / "copy" / WEIGHTS, NEW)
    assert weights_of(tmp_path / "copy") == "told"


def test_weights_without_a_manifest_are_hashed(folder):
    (folder / MANIFEST).unlink()
    assert weights_of(folder) == hash_weights(folder)


@pytest.mark.parametrize(
    ("name", "content", "seconds", "told"),
    [
        (WEIGHTS, b"changed", NEW, "model.safetensors is not as it was written"),
        (WEIGHTS, b"longer weights", OLD, "model.safetensors is not as it was written"),
        (ADAPTER, b"{}", OLD, "adapter_config.json is not as it was written"),
        ("tokenizer.json", b"[]", OLD, "tokenizer.json is not as it was written"),
        ("model-2.safetensors", b"", OLD, "model-2.safetensors was added to it"),
        ("chat_template.jinja", b"", OLD, "chat_template.jinja was added to it"),
        (MANIFEST, b'{"weights": "mine"}', OLD, "carries no own_sha256"),
    ],
)
def test_a_file_that_does_not_fit_the_manifest_is_named(
    folder, name, content, seconds, told
):
    (folder / name).write_bytes(content)
    age(folder / name, seconds)
    with pytest.raises(DataError, match=told):
        weights_of(folder)


def test_a_file_that_is_gone_is_named(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"tokenizer\.json is not there"):
        weights_of(folder)


def test_who_reads_some_files_checks_them_only(folder):
    (folder / WEIGHTS).write_bytes(b"changed")
    assert check_folder(folder, ("tokenizer.json",)) is not None
    (folder / "tokenizer.json").write_text("[]")
    with pytest.raises(DataError, match=r"tokenizer\.json is not as it was written"):
        check_folder(folder, ("tokenizer.json",))

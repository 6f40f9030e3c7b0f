"""Whose weights a folder holds: its manifest says so, until they are exchanged."""

import json
import os
import shutil
from pathlib import Path

import pytest

from safegrid.checkpoints import hash_weights, weights_facts, weights_of
from safegrid.files import MANIFEST, write_json
from safegrid.pretrained import ADAPTER

OLD, NEW = 1_000_000_000, 1_000_000_060


def age(path: Path, seconds: int) -> None:
    os.utime(path, (seconds, seconds))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model whose manifest names another hash, so that it shows who is believed."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"weights")
    write_json(made / ADAPTER, {"r": 1, "lora_alpha": 2})
    facts = weights_facts(made)
    assert facts == {"weights": hash_weights(made), "weights_bytes": 7}
    write_json(made / MANIFEST, facts | {"weights": "told"})
    for name in ("model.safetensors", ADAPTER, MANIFEST):
        age(made / name, OLD)
    return made


def test_a_manifest_that_was_written_last_is_believed(folder, tmp_path):
    assert weights_of(folder) == "told"
    shutil.copytree(folder, tmp_path / "copy")
    assert weights_of(tmp_path / "copy") == "told"


@pytest.mark.parametrize("name", ["model.safetensors", ADAPTER])
def test_weights_that_are_newer_than_their_manifest_are_hashed(folder, name):
    age(folder / name, NEW)
    assert weights_of(folder) == hash_weights(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "model-2.safetensors"])
def test_weights_of_another_size_are_hashed_however_old(folder, name):
    (folder / name).write_bytes(b"other weights")
    age(folder / name, OLD)
    assert weights_of(folder) == hash_weights(folder)


def test_a_manifest_without_a_size_is_held_to_its_age_only(folder):
    facts = json.loads((folder / MANIFEST).read_text())
    del facts["weights_bytes"]
    write_json(folder / MANIFEST, facts)
    age(folder / MANIFEST, OLD)
    (folder / "model.safetensors").write_bytes(b"other weights")
    age(folder / "model.safetensors", OLD)
    assert weights_of(folder) == "told"

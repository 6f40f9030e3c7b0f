"""A training whose disk is full ends in words, leaves nothing half, and can go on."""

import os
from pathlib import Path

import pytest

import forked
from disks import mounted, remount
from safegrid.core.artifacts import read_manifest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("where", ["checkpoints", "out"])
def test_a_full_disk_ends_a_training_in_words_and_leaves_nothing_half(
    where, base, pairs, reference, make_recipe, tmp_path
):
    with mounted(tmp_path / "small", "size=64k") as small:
        places = {name: tmp_path / name for name in ("checkpoints", "out")}
        places[where] = small / where
        recipe = make_recipe(save_steps=2).model_dump_json()
        command = [
            *("train", "--pairs", str(pairs), "--stack", str(base), "--kto-reference"),
            *("--recipe", recipe),
            *("--reference", str(reference), "--seed", "0", "--data-seed", "0"),
            *("--checkpoints", str(places["checkpoints"]), "--out", str(places["out"])),
        ]
        failed = forked.run(command, os.environ)
        assert failed.returncode == 1
        assert "the disk is full. Free some space" in failed.stdout
        assert "Traceback" not in failed.stdout
        assert not places["out"].exists()
        remount(small, "size=20m")
        done = forked.run(command, os.environ)
        assert done.returncode == 0, done.stdout
        assert read_manifest(Path(places["out"]))["steps"] == 4
        assert [p.name for p in places["out"].parent.glob(".*")] == []

"""A training whose disk is full ends in words, leaves nothing half, and can go on."""

import subprocess
import sys
from pathlib import Path

import pytest

from disks import mounted, remount
from safegrid.artifacts import read_manifest

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
            *(sys.executable, "-m", "safegrid", "train", "--kto-reference"),
            *("--pairs", str(pairs), "--chain", str(base), "--recipe", recipe),
            *("--reference", str(reference), "--seed", "0", "--data-seed", "0"),
            *("--checkpoints", str(places["checkpoints"]), "--out", str(places["out"])),
        ]
        failed = subprocess.run(command, capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert "the disk is full. Free some space" in failed.stderr
        assert "Traceback" not in failed.stderr
        assert not places["out"].exists()
        remount(small, "size=20m")
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert read_manifest(Path(places["out"]))["steps"] == 4
        assert [p.name for p in places["out"].parent.glob(".*")] == []

"""What a killed writer leaves is removed, and nothing else."""

import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from safegrid.core.files import (
    atomic_directory,
    atomic_file,
    remove_leftovers,
    write_text,
)

KILLED = """
import os, signal, sys
from pathlib import Path
from safegrid.core.files import atomic_directory, atomic_file

target = Path(sys.argv[1])
write = atomic_directory if sys.argv[2] == "folder" else atomic_file
with write(target) as temporary:
    (temporary / "weights" if temporary.is_dir() else temporary).write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_while_writing(target: Path, kind: str) -> Path:
    """Return what a process left that was killed while it wrote `target`."""
    code = [sys.executable, "-c", KILLED, str(target), kind]
    subprocess.run(code, env={"PYTHONPATH": "src"}, check=False)
    (left,) = target.parent.glob(f".{target.name}.*")
    return left


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_the_next_write_removes_what_a_killed_one_left(
    tmp_path: Path, kind: str
) -> None:
    target, other = tmp_path / "model", tmp_path / "model.old"
    left, untouched = (kill_while_writing(path, kind) for path in (target, other))
    write = atomic_directory if kind == "folder" else atomic_file
    with write(target) as temporary:
        assert not left.exists()
        assert temporary.exists()
    assert set(tmp_path.iterdir()) == {target, untouched}


def test_what_others_write_at_this_moment_is_left_alone(tmp_path: Path) -> None:
    free = max(psutil.pids()) + 10_000
    names = [
        f".model.{psutil.Process().parent().pid}@{socket.gethostname()}.abcd_123",
        f".model.{free}@elsewhere.abcd_123",
        ".model.lock",
        ".gitignore",
    ]
    for name in names:
        (tmp_path / name).touch()
    with atomic_file(tmp_path / "model") as outer:
        write_text(tmp_path / "model", "inner")
        assert outer.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*names, "model"])


def test_leftovers_are_found_at_any_depth(tmp_path: Path) -> None:
    left = kill_while_writing(tmp_path / "results/bases/base", "folder")
    assert remove_leftovers(tmp_path / "results") == 1
    assert not left.exists()
    assert remove_leftovers(tmp_path / "results") == 0
    assert remove_leftovers(tmp_path / "missing") == 0

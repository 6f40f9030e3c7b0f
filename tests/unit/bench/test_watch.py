"""Memory is counted for whatever carries a run's id, a process's child included."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.watch import Watch
from safegrid.runtime.runs import RUN, write_owner


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A watch of the run `test-watch`, not yet sampling by itself."""
    return Watch(tmp_path / "owner.json")


def test_a_grandchild_counts(watch: Watch, tmp_path: Path) -> None:
    held = "data = b'1' * 50_000_000; print(1, flush=True); input()"
    child = (
        "import subprocess, sys;"
        f"subprocess.run([sys.executable, '-c', {held!r}], check=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", child],
        env={**os.environ, RUN: "test-watch"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    write_owner("test-watch", process.pid, tmp_path / "owner.json")
    watch.sample()
    process.communicate(b"\n")
    assert watch.most == 2
    assert 50 < watch.peak < 500


def test_before_a_run_says_who_it_is_nothing_counts(watch: Watch) -> None:
    watch.sample()
    assert watch.peak == 0

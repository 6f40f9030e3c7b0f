"""Memory is counted for whatever carries a run's id, a process's child included."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from safegrid.runtime.runs import RUN, write_owner

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture
def watch(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A watch of the run `test-watch`, not yet sampling by itself."""
    spec = importlib.util.spec_from_file_location("watch", BENCH / "watch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Watch(tmp_path / "owner.json")


def test_a_grandchild_counts(watch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
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


def test_before_a_run_says_who_it_is_nothing_counts(watch) -> None:  # type: ignore[no-untyped-def]
    watch.sample()
    assert watch.peak == 0

"""Runs that engines belong to, and a stand-in for vLLM."""

import json
import stat
import sys
from pathlib import Path

import pytest

from engines import belong_to_a_run
from safegrid.config import EngineSpec
from safegrid.core.seals import write_result
from safegrid.engine import lease as leases

STAND_IN = Path(__file__).parents[2] / "unit/engine/stand_in_vllm.py"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run of its own, whose engines are ended after the test."""
    belong_to_a_run(monkeypatch, tmp_path / "run")
    yield
    leases.stop_all()


@pytest.fixture(scope="module")
def fork_server_folder(tmp_path_factory):
    """The folder of a run whose engines are forked from one process."""
    folder = tmp_path_factory.mktemp("fork server") / "run"
    yield folder
    leases.stop_all(folder)


@pytest.fixture
def forking(fork_server_folder, monkeypatch):
    """A run without engines that forks them from a process which stays."""
    belong_to_a_run(monkeypatch, fork_server_folder)
    monkeypatch.setenv("SAFEGRID_ENGINE_START", "fork")
    yield
    for engine in leases.engines():
        engine.process.end()


@pytest.fixture
def stand_in(run, tmp_path, monkeypatch):
    """The stand-in as vLLM's command; returns a reader of what it was asked."""
    command = tmp_path / "vllm"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "requests.jsonl"
    monkeypatch.setenv("SAFEGRID_VLLM", str(command))
    monkeypatch.setenv("STAND_IN_LOG", str(log))
    # Jobs run in the folder of their run, below which vLLM's log is kept.
    monkeypatch.chdir(tmp_path)
    return lambda: [json.loads(line) for line in log.read_text().splitlines()]


@pytest.fixture
def stack(tmp_path):
    """Makes the folder of a model, as far as a client looks at it."""

    def make(name):
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        write_result(folder / "manifest.json", {"weights": name})
        return [folder]

    return make


@pytest.fixture
def spec():
    return EngineSpec(kind="vllm", idle_seconds=60, max_engines=2, start_seconds=20)

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import psutil
import pytest

from safegrid.errors import SafegridError, TrainingError
from safegrid.processes import Process
from safegrid.train.lease import (
    EXIT_ORPHANED,
    LEASE,
    SILENT_SECONDS,
    WHOLE,
    end_with_owner,
    last_checkpoint,
    lease,
)


def dead() -> Process:
    """A process that ended: the number may live again, with another start time."""
    return replace(Process.me(), started=Process.me().started - 1000)


def claim(folder: Path, holder: Process) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / LEASE
    path.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    return path


def test_a_folder_is_its_owners_and_gone_when_all_went_well(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    with lease(folder):
        assert json.loads((folder / LEASE).read_text())["pid"] == os.getpid()
        with pytest.raises(TrainingError, match="still runs"), lease(folder):
            pass
        assert (folder / LEASE).exists()
    assert not folder.exists()


def test_a_failed_training_keeps_its_checkpoints_and_frees_its_lease(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "key"
    with pytest.raises(RuntimeError), lease(folder):
        (folder / "checkpoint-5").mkdir()
        (folder / "checkpoint-5" / WHOLE).touch()
        raise RuntimeError
    assert not (folder / LEASE).exists()
    assert last_checkpoint(folder) == folder / "checkpoint-5"


def test_a_dead_owners_lease_is_taken_over(tmp_path: Path) -> None:
    claim(tmp_path / "key", dead())
    with lease(tmp_path / "key") as folder:
        assert json.loads((folder / LEASE).read_text()) == asdict(Process.me())
        assert [path.name for path in folder.iterdir()] == [LEASE]


def test_an_owner_elsewhere_counts_as_dead_only_after_long_silence(
    tmp_path: Path,
) -> None:
    path = claim(tmp_path / "key", replace(dead(), host="elsewhere"))
    with (
        pytest.raises(TrainingError, match="on elsewhere"),
        lease(tmp_path / "key"),
    ):
        pass
    past = time.time() - SILENT_SECONDS - 1
    os.utime(path, (past, past))
    with lease(tmp_path / "key"):
        assert json.loads(path.read_text()) == asdict(Process.me())


def test_cut_off_checkpoints_are_removed_and_the_newest_whole_one_is_used(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "key"
    for step in (5, 10, 15):
        (folder / f"checkpoint-{step}").mkdir(parents=True)
    for step in (5, 10):
        (folder / f"checkpoint-{step}" / WHOLE).touch()
    with lease(folder):
        assert last_checkpoint(folder) == folder / "checkpoint-10"
        assert not (folder / "checkpoint-15").exists()


def test_without_checkpoints_a_training_starts_anew(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None


def test_a_training_ends_when_its_run_is_gone() -> None:
    code = (
        "import time; from safegrid.train import lease;"
        "lease.POLL_SECONDS = 0.05; lease.end_with_owner(); print('on', flush=True);"
        "time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    environment = {**os.environ, "SAFEGRID_OWNER_PID": str(owner.pid)}
    environment.pop("SLURM_JOB_ID", None)
    trainer = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**environment, "PYTHONPATH": "src"},
        stdout=subprocess.PIPE,
    )
    assert trainer.stdout is not None
    assert trainer.stdout.readline() == b"on\n"
    assert trainer.poll() is None
    owner.kill()
    owner.wait()
    assert trainer.wait(timeout=20) == EXIT_ORPHANED


def test_a_training_whose_run_is_gone_already_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free = max(psutil.pids()) + 10_000
    monkeypatch.setenv("SAFEGRID_OWNER_PID", str(free))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(SafegridError, match="is gone; start the run again"):
        end_with_owner()


def test_without_an_owner_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAFEGRID_OWNER_PID", raising=False)
    assert end_with_owner() is None

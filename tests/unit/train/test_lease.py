import json
import os
import time
from dataclasses import asdict, replace

import pytest

from safegrid.core.errors import TrainingError
from safegrid.runtime.runs import SLURM_JOB
from safegrid.train.lease import (
    HEARTBEAT_SECONDS,
    LEASE,
    SILENT_SECONDS,
    WHOLE,
    Holder,
    lease,
)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "key"


def claim(folder, **changes):
    """Hold a folder as a process that ended: its number may live again."""
    holder = replace(Holder.me(), **{"started": Holder.me().started - 1000, **changes})
    folder.mkdir()
    path = folder / LEASE
    path.write_text(json.dumps(asdict(holder)), encoding="utf-8")
    return path


def held_by_me(folder):
    return json.loads((folder / LEASE).read_text()) == asdict(Holder.me())


def test_a_folder_is_its_owners_and_gone_when_all_went_well(folder):
    with lease(folder):
        assert held_by_me(folder)
        with pytest.raises(TrainingError, match="still runs"), lease(folder):
            pass
        assert held_by_me(folder)
    assert not folder.exists()


def test_a_failed_training_keeps_its_checkpoints_and_frees_its_lease(folder):
    with pytest.raises(RuntimeError), lease(folder):
        (folder / "checkpoint-5").mkdir()
        (folder / "checkpoint-5" / WHOLE).touch()
        raise RuntimeError
    assert [path.name for path in folder.iterdir()] == ["checkpoint-5"]


def test_a_dead_owners_lease_is_taken_over(folder):
    claim(folder)
    with lease(folder):
        assert held_by_me(folder)
        assert [path.name for path in folder.iterdir()] == [LEASE]


def test_an_owner_elsewhere_counts_as_dead_only_after_long_silence(folder, monkeypatch):
    path = claim(folder, host="elsewhere")
    signs = []
    living = True

    def meanwhile(seconds):
        signs.append(seconds)
        if living:
            os.utime(path, (time.time() + 1, time.time() + 1))

    monkeypatch.setattr(time, "sleep", meanwhile)
    with pytest.raises(TrainingError, match="on elsewhere"), lease(folder):
        pass
    assert signs == [HEARTBEAT_SECONDS]
    living = False
    os.utime(path)
    with lease(folder):
        assert held_by_me(folder)
    assert sum(signs[1:]) == SILENT_SECONDS


def test_the_clock_of_a_file_server_alone_makes_no_owner_dead(folder, monkeypatch):
    path = claim(folder, host="elsewhere")
    os.utime(path, (1.0, 1.0))
    monkeypatch.setattr(time, "sleep", lambda seconds: os.utime(path, (2.0, 2.0)))
    with pytest.raises(TrainingError, match="on elsewhere"), lease(folder):
        pass


def test_a_job_that_was_preempted_takes_its_folder_back_on_any_node_at_once(
    folder, monkeypatch
):
    claim(folder, host="elsewhere", job="17")
    monkeypatch.setenv(SLURM_JOB, "17")
    with lease(folder):
        assert held_by_me(folder)


def test_cut_off_checkpoints_are_removed(folder):
    for step in (5, 10, 15):
        (folder / f"checkpoint-{step}").mkdir(parents=True)
    for step in (5, 10):
        (folder / f"checkpoint-{step}" / WHOLE).touch()
    with lease(folder):
        kept = {path.name for path in folder.glob("checkpoint-*")}
        assert kept == {"checkpoint-5", "checkpoint-10"}


@pytest.mark.parametrize("text", ["[1]", "", '{"pid": 1}', '{"pid": null}'])
def test_a_lease_of_another_shape_is_told_with_the_command(tmp_path, text):
    (tmp_path / LEASE).write_text(text)
    told = r"holds no Holder.*`rm .*owner\.json`"
    with pytest.raises(TrainingError, match=told), lease(tmp_path):
        pass

"""Where a run may not work: a folder that cannot be written, or one in use."""

import os
import signal
import subprocess

import pytest

from disks import mounted

pytestmark = pytest.mark.timeout(3600)

SNAKEMAKE = ["snakemake", "--cores=1", "--config", "study=tiny", "--", "prepare_data"]


@pytest.mark.parametrize("command", ["snakemake", "study"])
def test_results_that_cannot_be_written_end_a_run_before_its_first_job(fresh, command):
    with mounted(fresh.folder / "results", "ro"):
        done = fresh.run(
            *(SNAKEMAKE if command == "snakemake" else fresh.study_command)
        )
    assert done.returncode == 1
    told = "results: cannot be written, its file system is mounted read-only"
    assert told in done.stdout
    assert "Nothing was started" in done.stdout
    assert "Traceback" not in done.stdout
    assert "rule grow_world:" not in done.stdout
    assert not (fresh.folder / "logs").exists()
    assert list(fresh.folder.glob(".snakemake/locks/*")) == []


def test_a_second_run_in_a_folder_is_refused_and_harms_nothing(fresh):
    first = subprocess.Popen(
        SNAKEMAKE,
        cwd=fresh.folder,
        env=fresh.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    owner = fresh.folder / ".snakemake/safegrid-owner.json"
    while not owner.exists():
        assert first.poll() is None, first.communicate()[0]
    os.killpg(first.pid, signal.SIGSTOP)
    plain, study = fresh.run(*SNAKEMAKE), fresh.run(*fresh.study_command)
    os.killpg(first.pid, signal.SIGCONT)
    said = first.communicate()[0]
    assert plain.returncode == study.returncode == 1
    assert "Directory cannot be locked" in plain.stdout
    assert f"a run is at work in this folder (process {first.pid})" in study.stdout
    for refused in (plain, study):
        assert "Traceback" not in refused.stdout
        assert "rule grow_world:" not in refused.stdout
    assert first.returncode == 0, said
    assert fresh.plan("prepare_data").jobs == []

"""Folders in which no run works: of a name that means something, closed, in use."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from disks import mounted

ROOT = Path(__file__).parents[2]
# What a folder's name may not hold; test_crashes.py runs a study where it has the rest.
REFUSED = ["{x}", "a:b", "two\nlines"]


def started_by(tree, command):
    """What a user calls: `safegrid study`, or Snakemake for a target."""
    return tree.study_command if command == "study" else tree.snakemake("prepare_data")


@pytest.mark.parametrize(
    ("command", "name"), [("study", "{x}"), *(("snakemake", name) for name in REFUSED)]
)
def test_a_folder_whose_name_means_something_else_is_refused(
    make_tree, tmp_path, command, name
):
    tree = make_tree(tmp_path / name)
    done = tree.run(*started_by(tree, command))
    assert done.returncode == 1
    assert "no study can run in a folder of this name; rename it" in done.stdout
    assert "Traceback" not in done.stdout
    assert tree.made() == []


@pytest.mark.parametrize("name", ["{x}", "a:b", 'a "b"', "a $HOME", "`id`", "a\\b"])
def test_an_environment_is_not_made_where_its_commands_would_not_start(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    for file in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    command = ["make", "env", "PYTHON=false"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2
    assert "the path of this folder holds one of" in done.stdout
    assert "making the environment" not in done.stdout


@pytest.mark.parametrize("command", ["snakemake", "study"])
def test_results_that_cannot_be_written_end_a_run_before_its_first_job(fresh, command):
    with mounted(fresh.folder / "results", "ro"):
        done = fresh.run(*started_by(fresh, command))
    assert done.returncode == 1
    told = "results: cannot be written, its file system is mounted read-only"
    assert told in done.stdout
    assert "Nothing was started" in done.stdout
    assert "Traceback" not in done.stdout
    assert "rule build_world:" not in done.stdout
    assert not (fresh.folder / "logs").exists()
    assert list(fresh.folder.glob(".snakemake/locks/*")) == []


def test_a_second_run_in_a_folder_is_refused_and_harms_nothing(fresh):
    prepare = fresh.snakemake("prepare_data")
    first, said = fresh.start(*prepare), fresh.folder / "said.txt"
    owner = fresh.folder / ".snakemake/safegrid-owner.json"
    while not owner.exists():
        assert first.poll() is None, said.read_text()
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGSTOP)
    plain, study = fresh.run(*prepare), fresh.run(*fresh.study_command)
    os.killpg(first.pid, signal.SIGCONT)
    assert first.wait() == 0, said.read_text()
    assert plain.returncode == study.returncode == 1
    assert "Directory cannot be locked" in plain.stdout
    assert f"a run is at work in this folder (process {first.pid})" in study.stdout
    for refused in (plain, study):
        assert "Traceback" not in refused.stdout
        assert "rule build_world:" not in refused.stdout
    assert fresh.plan("prepare_data").jobs == []

"""Folders in which no run works: of a name that means something, closed, in use.

And programs of the environment called by their paths: nobody needs to activate it.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from disks import mounted

ROOT = Path(__file__).parents[2]
# What a folder's name may not hold; test_crashes.py runs a study where it has the rest.
REFUSED = ["{x}", "a:b", "two\nlines"]
ROWS = "results/raw/tiny-correction-rows/train.jsonl"


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
    said = tree.refused(*started_by(tree, command))
    assert "no study can run in a folder of this name; rename it" in said
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
        said = fresh.refused(*started_by(fresh, command))
    assert "results: cannot be written, its file system is mounted read-only" in said
    assert "Nothing was started" in said
    assert "rule build_world:" not in said
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
    plain, study = fresh.refused(*prepare), fresh.refused(*fresh.study_command)
    os.killpg(first.pid, signal.SIGCONT)
    assert first.wait() == 0, said.read_text()
    assert "Directory cannot be locked" in plain
    assert f"a run is at work in this folder (process {first.pid})" in study
    assert "rule build_world:" not in plain + study
    assert fresh.plan("prepare_data").jobs == []


def test_snakemake_by_its_path_runs_rules_with_the_same_python(make_tree, tmp_path):
    tree, ours = make_tree(tmp_path / "repository"), Path(sys.executable).parent
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    for name in ("python", "snakemake", "safegrid"):
        (shadow / name).write_text("#!/bin/sh\nexit 99\n")
        (shadow / name).chmod(0o755)
    path = [p for p in os.environ["PATH"].split(os.pathsep) if p != str(ours)]
    tree.environment["PATH"] = os.pathsep.join([str(shadow), *path])
    for name in ("PYTHONPATH", "VIRTUAL_ENV"):
        tree.environment.pop(name, None)
    _, *words = tree.snakemake(ROWS)
    tree.call(str(ours / "snakemake"), *words)
    assert (tree.folder / ROWS).is_file()

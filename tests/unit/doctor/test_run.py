"""The doctor's report: a line a check, and a status that a script can use."""

import re
from pathlib import Path

import pytest

from safegrid.core.errors import SafegridError
from safegrid.doctor.run import doctor

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def told(capsys, tmp_path):
    """Return a caller of the doctor that gives its status and lines."""

    def call(profile, study="tiny"):
        status = doctor(
            profile=str(profile),
            study=study,
            sources_dir=str(tmp_path),
            no_probe=True,
        )
        return status, capsys.readouterr().out.splitlines()

    return call


@pytest.fixture
def make_profile(tmp_path):
    """Return a writer of a profile that gives the folder it lies in."""

    def make(text):
        folder = tmp_path / "site"
        folder.mkdir()
        (folder / "config.yaml").write_text(text)
        return folder

    return make


def test_it_runs_at_the_root_only(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SafegridError, match="no Snakefile here"):
        doctor(profile="slurm")


def test_a_machine_without_slurm_is_told(told, no_slurm):
    status, lines = told("slurm")
    assert status == 1
    assert "ok   profile: --profile slurm is profiles/slurm/config.yaml" in lines
    (line,) = (line for line in lines if line.startswith("fail"))
    assert line.startswith("fail SLURM: SLURM's commands are not here: sbatch,")
    assert lines[-1] == "1 failed"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("slumr", r"profile directory given \(slumr\), but .* profiles/ holds .*slurm"),
        ("default", "ln -s profiles/default default"),
    ],
)
def test_a_profile_that_is_nowhere_is_told_with_where_to_look(told, name, words):
    status, lines = told(name)
    assert status == 1
    (line,) = (line for line in lines if line.startswith("fail"))
    assert re.search(words, line)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("executor: nowhere", "pip install snakemake-executor-plugin-nowhere"),
        ("executor: slurm\nslurm-stauts-command: squeue", "slurm-stauts-command"),
        ("executor: [1", "Couldn't parse config file"),
        ("- a", "config.yaml"),
    ],
)
def test_what_snakemake_refuses_of_a_profile_is_told(told, make_profile, text, words):
    folder = make_profile(text)
    _, lines = told(folder)
    (line,) = (line for line in lines if line.startswith("fail"))
    assert line.startswith(f"fail profile: --profile {folder}: ")
    assert words in line


def test_a_key_that_the_default_profile_overrides_is_told(told, make_profile):
    status, lines = told(make_profile("executor: local\ncores: 8"))
    assert status == 0
    (line,) = (line for line in lines if line.startswith("warn"))
    assert "do nothing: cores" in line


def test_of_other_executors_it_says_that_it_does_not_look(told, make_profile):
    status, lines = told(make_profile("executor: local"))
    assert status == 0
    assert "skip jobs and nodes: executor local is not looked into" in lines[-2]


def test_what_a_study_needs_from_outside_is_told_as_the_preflight_does(told):
    _, needed = told("slumr", study="falcon-11b")
    (pins,) = [line for line in needed if "config/sources.lock.yaml" in line]
    assert pins.startswith("fail study: missing files")
    _, grown = told("slumr", study="tiny")
    assert grown[0] == "ok   study: study tiny: needs nothing from outside"

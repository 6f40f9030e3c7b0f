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


def test_a_machine_without_slurm_is_told(told, no_slurm, tmp_path, monkeypatch):
    status, lines = told("slurm")
    assert status == 1
    assert "ok   profile: --profile slurm is profiles/slurm/config.yaml" in lines
    (line,) = (line for line in lines if line.startswith("fail"))
    assert line.startswith("fail SLURM: SLURM's commands are not here: sbatch,")
    assert lines[-1] == "1 failed"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SafegridError, match="no Snakefile here"):
        told("slurm")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("executor: nowhere", "pip install snakemake-executor-plugin-nowhere"),
        ("executor: slurm\nslurm-stauts-command: squeue", "slurm-stauts-command"),
        ("executor: [1", "Couldn't parse config file"),
        ("slumr", r"profile directory given \(slumr\), but .* profiles/ holds .*slurm"),
        ("default", "ln -s profiles/default default"),
    ],
)
def test_what_snakemake_refuses_of_a_profile_is_told(told, make_profile, text, words):
    profile = make_profile(text) if ":" in text else text
    status, lines = told(profile)
    (line,) = (line for line in lines if line.startswith("fail"))
    assert status == 1
    assert line.startswith(f"fail profile: --profile {profile}: ")
    assert re.search(words, line)


def test_a_key_that_the_default_profile_overrides_is_told(told, make_profile):
    status, lines = told(make_profile("executor: local\ncores: 8"))
    assert status == 0
    (line,) = (line for line in lines if line.startswith("warn"))
    assert "do nothing: cores" in line


def test_of_other_executors_it_says_that_it_does_not_look(told, make_profile):
    status, lines = told(make_profile("executor: local"))
    assert status == 0
    assert "skip jobs and nodes: executor local is not looked into" in lines[-2]
    assert lines[0] == "ok   study: study tiny: needs nothing from outside"


def test_what_a_study_needs_from_outside_is_told_as_the_preflight_does(told):
    _, needed = told("slumr", study="falcon-11b")
    (pins,) = [line for line in needed if "config/sources.lock.yaml" in line]
    assert pins.startswith("fail study: missing files")

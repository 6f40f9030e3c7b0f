"""The traps in which Snakemake waits for ever are seen, and named as such."""

from types import SimpleNamespace

import pytest

from safegrid.doctor import status
from safegrid.doctor.site import Site

ACCOUNTED = Site({"AccountingStorageType": "accounting_storage/slurmdbd"}, {}, ())
FREE = Site({"AccountingStorageType": "accounting_storage/none"}, {}, ())


class Profile:
    """What of a profile is asked here."""

    file = "profiles/slurm/config.yaml"

    def __init__(self, command, first=20, prefix="safegrid"):
        self._settings = SimpleNamespace(
            status_command=command,
            init_seconds_before_status_checks=first,
            jobname_prefix=prefix,
        )

    def settings(self):
        return self._settings


@pytest.fixture
def look(commands):
    """Look at a profile where SLURM remembers jobs so long and sacct tells so much."""

    def call(profile, site, age, sacct="", line=None):
        commands("scontrol", f"MinJobAge               = {age} sec")
        commands("squeue", "")
        commands("sacct", sacct)
        found = status.look_at(profile, site, line)
        return [f for f in found if f.subject != "job names"]

    return call


@pytest.mark.parametrize(
    ("asked", "age", "first", "sacct", "used"),
    [
        ("squeue", 600, 20, True, "squeue"),
        ("squeue", 60, 20, True, "squeue"),
        ("squeue", 59, 20, True, "sacct"),
        ("squeue", None, 20, True, "sacct"),
        ("squeue", 59, 20, False, "squeue"),
        ("sacct", 600, 20, True, "sacct"),
        ("sacct", 600, 20, False, "squeue"),
    ],
)
def test_the_command_is_the_one_that_the_plugin_takes(asked, age, first, sacct, used):
    assert status.command_used(asked, age, first, sacct) == used


def test_squeue_is_fine_where_ended_jobs_are_remembered(look):
    (found,) = look(Profile("squeue"), FREE, 300)
    assert found.state == "ok"


def test_a_setting_that_cannot_be_read_is_told_as_such(look):
    (found,) = look(Profile("squeue"), FREE, "unknown")
    assert found.state == "fail"
    assert "MinJobAge cannot be read" in found.text
    assert "None" not in found.text


def test_squeue_that_forgets_between_two_polls_is_a_trap(look):
    (found,) = look(Profile("squeue"), FREE, 120)
    assert found.state == "fail"
    assert "120 s" in found.text
    assert "FOR EVER" in found.text


def test_sacct_without_accounting_is_a_trap(look):
    (found,) = look(Profile("sacct"), FREE, 300)
    assert found.state == "fail"
    assert "keeps no accounts" in found.text
    assert "FOR EVER" in found.text
    assert "the profile says squeue" not in found.text


def test_falling_back_into_that_trap_is_told_as_such(look):
    (found,) = look(Profile("squeue", first=200), FREE, 300)
    assert found.state == "fail"
    assert "the profile says squeue, but MinJobAge is 300 s" in found.text
    assert "keeps no accounts" in found.text


def test_a_cancelled_job_told_with_its_user_is_a_trap(look):
    answers, cancelled = look(Profile("sacct"), ACCOUNTED, 300, "7|CANCELLED by 1000")
    assert answers.state == "ok"
    assert cancelled.state == "fail"
    assert "'CANCELLED by 1000'" in cancelled.text
    assert "FOR EVER" in cancelled.text
    assert "sed" in cancelled.text


def test_a_wrapper_around_sacct_mends_it(look):
    states = "7|CANCELLED\n8|CANCELLED"
    assert {f.state for f in look(Profile("sacct"), ACCOUNTED, 300, states)} == {"ok"}


def test_where_no_job_was_ever_cancelled_one_is(look, commands, monkeypatch):
    commands("sbatch", "9")
    commands("scancel", "")
    # The command tells the same whatever it is asked: of the past it tells nothing.
    monkeypatch.setattr(status, "_cancelled_before", lambda: "")
    told = "9|CANCELLED by 0"
    found = look(Profile("sacct"), ACCOUNTED, 300, told, line=["sbatch", "--parsable"])
    assert found[-1].state == "fail"
    assert "'CANCELLED by 0'" in found[-1].text


def test_without_a_cancelled_job_and_without_probes_nothing_is_claimed(look):
    found = look(Profile("sacct"), ACCOUNTED, 300)
    assert found[-1].state == "skip"
    assert "FOR EVER" in found[-1].text


def test_a_prefix_that_the_plugin_refuses_is_told(commands):
    commands("scontrol", "MinJobAge = 300 sec")
    commands("squeue", "")
    first = next(status.look_at(Profile("squeue", prefix="our jobs"), FREE, None))
    assert (first.state, first.subject) == ("fail", "job names")
    assert "'our jobs'" in first.text

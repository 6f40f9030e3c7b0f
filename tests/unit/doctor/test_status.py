"""The traps in which Snakemake waits for ever are seen, and named as such."""

import pytest

from safegrid.doctor import status
from safegrid.doctor.cluster import Site

ACCOUNTED = Site({"AccountingStorageType": "accounting_storage/slurmdbd"}, {}, {})
FREE = Site({"AccountingStorageType": "accounting_storage/none"}, {}, {})


@pytest.fixture
def look(commands, make_profile):
    """Look where SLURM remembers jobs so long and sacct tells so much."""

    def call(site, age, sacct="", asked="squeue", first=20):
        commands("scontrol", f"MinJobAge               = {age} sec")
        commands("squeue", "")
        commands("sacct", sacct)
        changed = {"status_command": asked, "init_seconds_before_status_checks": first}
        found = status.look_at(make_profile(**changed), site)
        return [(finding.state, finding.text) for finding in found]

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
    assert [state for state, _ in look(FREE, 300)] == ["ok"]


@pytest.mark.parametrize(
    ("age", "changed", "words"),
    [
        ("unknown", {}, ["MinJobAge cannot be read"]),
        (120, {}, ["120 s", "FOR EVER"]),
        (300, {"asked": "sacct"}, ["is used, but this site keeps no accounts"]),
        (300, {"first": 200}, ["says squeue, but MinJobAge is 300 s", "no accounts"]),
    ],
)
def test_a_site_that_forgets_its_jobs_is_a_trap(look, age, changed, words):
    ((state, text),) = look(FREE, age, **changed)
    assert state == "fail"
    assert [word for word in words if word not in text] == []
    assert "None" not in text


@pytest.mark.parametrize(
    ("told", "state", "words"),
    [
        ("CANCELLED\nCANCELLED by 1000", "fail", "'CANCELLED by 1000'"),
        ("CANCELLED\nCANCELLED", "ok", "as Snakemake expects"),
        ("", "warn", "no cancelled job to look at"),
    ],
)
def test_how_a_cancelled_job_is_told_matters(look, told, state, words):
    answers, (found, text) = look(ACCOUNTED, 300, told, asked="sacct")
    assert answers[0] == "ok"
    assert found == state
    assert words in text
    assert ("FOR EVER" in text and "sed" in text) == (state != "ok")

"""What a run says of the results that it makes again."""

from types import SimpleNamespace

import pytest
from snakemake.jobs import Reason
from snakemake.persistence import ParamsChange

from safegrid.runtime.stale import FOLLOWS, Planned, described, planned, planned_job

PARAMS = {"judge": '{"name": "g"}', "version": 3, "cache": "results/s/cache"}


def reason(**found):
    """Snakemake's own, with some causes found."""
    made = Reason()
    for name, value in found.items():
        setattr(made, name, value)
    return made


def changed(*new):
    return ParamsChange(only_old={"'before'"}, only_new=set(map(repr, new)))


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        ({"forced": True}, "forced"),
        ({"params_changed": changed(PARAMS["judge"], 3)}, "`judge`, `version`"),
        ({"params_changed": changed("unknown")}, "changed params"),
        ({"input_changed": True}, "other input files"),
        ({"code_changed": True}, "another command"),
        ({"software_stack_changed": True}, "another environment"),
        ({}, FOLLOWS),
    ],
)
def test_a_cause_is_said_in_a_few_words(found, cause):
    assert cause in planned_job("judge", reason(**found), PARAMS).cause


def test_a_newer_input_is_named_where_no_job_of_the_run_makes_it():
    found = reason()
    found.updated_input.update({"raw", "answers"})
    found.updated_input_run.add("answers")
    assert planned_job("judge", found, PARAMS) == Planned(
        "judge", "newer input", ("raw",)
    )


def test_what_is_not_there_is_missing_whatever_the_reason():
    def job(*output):
        return SimpleNamespace(rule=SimpleNamespace(name="r"), output=output, params={})

    jobs = [job("there"), job("there", "gone"), job()]
    dag = SimpleNamespace(needrun_jobs=lambda: jobs, reason=lambda _: reason())
    assert planned(dag, "there".__eq__) == [Planned("r", FOLLOWS), Planned("r", None)]


def test_lines_are_one_for_a_rule_and_a_cause_and_those_that_follow_come_last():
    jobs = [
        Planned("train", None),
        Planned("score", FOLLOWS),
        Planned("score", FOLLOWS),
        Planned("judge", "newer input", ("b",)),
        Planned("judge", "newer input", ("a", "c")),
    ]
    assert described(jobs).splitlines() == [
        "missing: 1 jobs; stale: 4 jobs",
        "  2 judge: newer input: a and 2 more",
        f"  2 score: {FOLLOWS}",
    ]
    told = described(Planned(f"rule_{n}", "forced") for n in range(20)).splitlines()
    assert len(told) == 14
    assert told[-1] == "  and 8 lines more: `snakemake -n`"

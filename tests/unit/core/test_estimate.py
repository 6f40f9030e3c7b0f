"""Jobs of a plan, counted from what a dry run prints."""

from safegrid.plans import parse_plan
from safegrid.workflow.estimate import describe, planned_jobs

PLAN = """\
rule train:
    output: a, b
    jobid: 1

localrule score:
    input: a
    output: c
    jobid: 2

rule train:
    output: d
    jobid: 3

localrule all:
    input: b, c, d
    jobid: 0

Job stats:
total    4
"""


def test_each_job_is_counted_once_and_what_makes_nothing_is_none():
    jobs = planned_jobs(parse_plan(PLAN, "a plan"))
    assert jobs == {"train": 2, "score": 1}
    assert "study mine: 3 jobs, about" in describe("mine", jobs, 2)
    nothing = parse_plan("Nothing to be done (all requested files are present).\n", "b")
    assert planned_jobs(nothing) == {}

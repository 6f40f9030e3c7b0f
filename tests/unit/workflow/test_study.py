"""Jobs of a plan, counted from what a dry run prints."""

from safegrid.runtime.plans import parse_plan
from safegrid.workflow import study
from safegrid.workflow.study import describe, planned_jobs

PLAN = """\
rule train:
    output: a, b

localrule score:
    input: a
    output: c

rule train:
    output: d

localrule all:
    input: b, c, d

Job stats:
total    4
"""


def test_each_job_is_counted_once_and_what_makes_nothing_is_none():
    jobs = planned_jobs(parse_plan(PLAN, "a plan"))
    assert jobs == {"train": 2, "score": 1}
    told = describe("mine", jobs, 2, ["a-stranger"])
    assert "study mine: 3 jobs, about" in told
    assert "from jobs of base mini-base" in told
    nothing = parse_plan("Nothing to be done (all requested files are present).\n", "b")
    assert planned_jobs(nothing) == {}


def test_a_study_is_estimated_from_its_own_base_and_from_each_training(monkeypatch):
    def measured():
        train = {"seconds": 120.0, "megabytes": 4.0}
        return {"mini-base": {}, "real": {"train": train}}

    monkeypatch.setattr(study, "costs", measured)
    jobs = {"train": 1, "train_at_5_10": 2, "score": 1}
    told = describe("mine", jobs, 2, ["another", "real"])
    assert "4 jobs, about 3 min on 2 cores and 12 MB" in told
    assert "of base real on two cores; not counted: score;" in told

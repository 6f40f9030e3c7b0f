"""Jobs of a plan, counted from what a dry run prints."""

from safegrid.runtime.plans import parse_plan
from safegrid.workflow import study
from safegrid.workflow.study import describe


def plan(*rules):
    """Return the plan of jobs of these rules, each of which makes two files."""
    jobs = [f"rule {rule}:\n    output: a{n}, b{n}\n\n" for n, rule in enumerate(rules)]
    gather = "localrule all:\n    input: a0\n\n"
    return parse_plan(f"{''.join(jobs)}{gather}total    {len(rules) + 1}\n", "a plan")


def test_each_job_is_counted_once_and_what_makes_nothing_is_none():
    told = describe("mine", plan("train", "score", "train"), 2, ["a-stranger"])
    assert "study mine: 3 jobs, about" in told
    assert "from jobs of base mini-base" in told
    nothing = "Nothing to be done (all requested files are present).\n"
    assert parse_plan(nothing, "a plan") == {}


def test_a_study_is_estimated_from_its_own_base_and_from_each_training(monkeypatch):
    def measured():
        train = {"seconds": 120.0, "megabytes": 4.0}
        return {"mini-base": {}, "real": {"train": train}}

    monkeypatch.setattr(study, "costs", measured)
    jobs = plan("train", "train_at_5_10", "train_at_5_10", "score")
    told = describe("mine", jobs, 2, ["another", "real"])
    assert "4 jobs, about 3 min on 2 cores and 12 MB" in told
    assert "of base real on two cores; not counted: score;" in told

"""What finished jobs took is set beside the plan, and teaches the next one."""

import pytest

from safegrid.core.seals import write_result
from safegrid.cost.data import Data
from safegrid.cost.estimate import chosen_shares, estimate
from safegrid.cost.jobs import Job
from safegrid.cost.measured import (
    Share,
    Speed,
    compare,
    measured_shares,
    training_speeds,
)
from safegrid.cost.planner import Planner

H200 = "NVIDIA H200"


def finish(study, root, recipe, **changed):
    """Write the manifest of a finished training."""
    model = next(m for m in study.trained if m.recipe == recipe)
    run = {"device": H200, "seconds": 30.0, "processes": 1} | changed.pop("run", {})
    training = study.recipe(recipe).training.model_dump(mode="json")
    facts = {
        "tokens": 50_000,
        "resumed": False,
        "params": {"recipe": {"training": training}},
        "run": run,
    }
    folder = root / study.model_dir(model)
    folder.mkdir(parents=True)
    write_result(folder / "manifest.json", facts | changed)


@pytest.fixture
def study(make_study):
    return make_study("mini")


@pytest.fixture
def jobs(study, assumed, h200, tmp_path):
    return Planner(Data(study, assumed, tmp_path), h200).jobs()


def job_of(jobs: list[Job], name: str) -> Job:
    return next(job for job in jobs if job.kind == "train" and job.name == name)


def speed(**changed):
    given = {
        "kind": "train",
        "name": "mini-base/dpo/seed0",
        "tokens_in": 60_000,
        "tokens_out": 0,
        "seconds": 10.0,
        "device": H200,
        "dtype": "float32",
    }
    return Speed(**given | changed)


def test_a_finished_training_is_read(study, tmp_path):
    finish(study, tmp_path, "dpo")
    found, left_out = training_speeds(study, tmp_path)
    assert left_out == []
    assert found == [speed(tokens_in=50_000, seconds=30.0)]


def test_a_resumed_training_is_left_out_and_said(study, tmp_path):
    finish(study, tmp_path, "nca", resumed=True)
    assert training_speeds(study, tmp_path) == (
        [],
        ["mini-base/nca/seed0 went on from a checkpoint"],
    )


def test_the_share_is_the_limit_over_the_seconds(jobs, gpus):
    work = job_of(jobs, "mini-base/dpo/seed0").work
    part = 60_000 / work.tokens_in
    found = measured_shares([speed()], jobs, gpus, "h200")
    assert found == {"train": (pytest.approx(part * work.limit / 10), 1)}


def test_two_jobs_share_by_their_seconds(jobs, gpus):
    one, two = speed(), speed(name="mini-base/nca/seed0", seconds=30.0)
    (alone, _), (both, count) = (
        measured_shares(found, jobs, gpus, "h200")["train"]
        for found in ([one], [one, two])
    )
    assert (both, count) == (pytest.approx(2 * alone * 10 / 40), 2)


def test_another_device_says_nothing_of_this_one(jobs, gpus):
    assert measured_shares([speed(device="NVIDIA L40S")], jobs, gpus, "h200") == {}
    assert measured_shares([speed(device="cpu x86_64")], jobs, gpus, "h200") == {}


def test_what_was_measured_is_stronger_than_assumed_and_weaker_than_given(assumed):
    found = {"train": (0.3, 5), "judge": (0.2, 7)}
    shares = chosen_shares(assumed, found, {"judge": 0.6}, "results/mini")
    measured = "measured on 5 finished jobs of results/mini"
    assert shares["train"] == Share(0.3, measured, measured=True)
    assert shares["judge"] == Share(0.6, "given with --mfu")
    assert shares["generate"] == Share(assumed.shares["generate"], "assumed")


def test_plan_and_reality_stand_beside_each_other(jobs, gpus, h200):
    shares = {"train": Share(0.5, "assumed")}
    (found,) = compare([speed()], jobs, shares, gpus, "h200")
    work = job_of(jobs, "mini-base/dpo/seed0").work
    part = 60_000 / work.tokens_in
    assert found.planned == pytest.approx(part * work.limit / 0.5)
    assert found.ratio == pytest.approx(10 / found.planned)
    assert found.tokens_a_second == 6_000
    peak = h200.fp32_tflops * 1e12
    assert found.mfu == pytest.approx(part * work.model_flops / (10 * peak))
    assert found.why == ""


def test_a_cpu_has_no_peak_and_the_blank_says_so(jobs, gpus):
    shares = {"train": Share(0.5, "assumed")}
    given = speed(device="cpu x86_64, 1 threads")
    (found,) = compare([given], jobs, shares, gpus, "h200")
    assert (found.planned, found.ratio, found.mfu) == (None, None, None)
    why = "the peak of cpu x86_64, 1 threads is not in config/gpus.yaml"
    assert found.why == why
    assert found.tokens_a_second == 6_000


def test_another_gpu_has_an_mfu_but_no_plan(jobs, gpus):
    shares = {"train": Share(0.5, "assumed")}
    (found,) = compare([speed(device="NVIDIA L40S")], jobs, shares, gpus, "h200")
    assert found.planned is None
    assert found.mfu > 0


def test_finished_runs_teach_the_plan(study, assumed, gpus, tmp_path):
    before = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
    finish(study, tmp_path, "dpo")
    after = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
    assert before.shares["train"].source == "assumed"
    assert after.shares["train"].measured
    rows = {row.what: row for row in after.rows if row.kind == "train"}
    # The same tokens at the same share: what it took is what the next one will take.
    part = 50_000 / job_tokens(study, assumed, gpus, tmp_path)
    assert rows["dpo"].gpu_hours * 3600 * part == pytest.approx(30.0)
    # What was measured is compared with the plan that was made before.
    (found,) = after.compared
    assert found.ratio != pytest.approx(1.0)


def job_tokens(study, assumed, gpus, root):
    planner = Planner(Data(study, assumed, root), gpus["h200"])
    return job_of(planner.jobs(), "mini-base/dpo/seed0").work.tokens_in

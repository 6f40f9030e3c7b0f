"""What finished jobs took is set beside the plan, and teaches the next one."""

import pytest

from safegrid.core.seals import write_result
from safegrid.cost.data import Data
from safegrid.cost.estimate import chosen_shares, estimate
from safegrid.cost.measured import (
    Share,
    Speed,
    compare,
    measured_shares,
    training_speeds,
)
from safegrid.cost.planner import Planner

H200 = "NVIDIA H200"
SPEED = {
    "kind": "train",
    "name": "mini-base/dpo/seed0",
    "tokens": 60_000,
    "seconds": 10.0,
    "device": H200,
    "dtype": "float32",
}


def finish(study, root, recipe, **changed):
    """Write the manifest of a finished training of 50,000 tokens in 30 seconds."""
    model = next(m for m in study.trained if m.recipe == recipe)
    training = study.recipe(recipe).training.model_dump(mode="json")
    facts = {
        "tokens": 50_000,
        "resumed": False,
        "params": {"recipe": {"training": training}},
        "run": {"device": H200, "seconds": 30.0, "processes": 1},
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


@pytest.fixture
def work(jobs):
    """The planned work of the job that SPEED is of."""
    return next(j.work for j in jobs if (j.rule, j.name) == ("train", SPEED["name"]))


def speed(**changed):
    return Speed(**SPEED | changed)


def test_finished_trainings_are_read_and_resumed_ones_left_out(study, tmp_path):
    finish(study, tmp_path, "dpo")
    finish(study, tmp_path, "nca", resumed=True)
    assert training_speeds(study, tmp_path) == (
        [speed(tokens=50_000, seconds=30.0)],
        ["mini-base/nca/seed0 went on from a checkpoint"],
    )


def test_the_share_is_the_limit_over_the_seconds_on_this_device(jobs, gpus, work):
    here, later = speed(), speed(name="mini-base/nca/seed0", seconds=30.0)
    limit = 60_000 / work.tokens * work.limit
    elsewhere = [speed(device="NVIDIA L40S"), speed(device="cpu x86_64")]
    for speeds, share in (
        (elsewhere, {}),
        ([here, *elsewhere], {"train": (pytest.approx(limit / 10), 1)}),
        ([here, later], {"train": (pytest.approx(2 * limit / 40), 2)}),
    ):
        assert measured_shares(speeds, jobs, gpus, "h200") == share


def test_what_was_measured_is_stronger_than_assumed_and_weaker_than_given(assumed):
    found = {"train": (0.3, 5), "judge": (0.2, 7)}
    shares = chosen_shares(assumed, found, {"judge": 0.6}, "results/mini")
    measured = "measured on 5 finished jobs of results/mini"
    assert shares["train"] == Share(0.3, measured, measured=True)
    assert shares["judge"] == Share(0.6, "given with --mfu")
    assert shares["generate"] == Share(assumed.shares["generate"], "assumed")


def test_plan_and_reality_stand_beside_each_other(jobs, gpus, h200, work):
    shares = {"train": Share(0.5, "assumed")}
    (found,) = compare([speed()], jobs, shares, gpus, "h200")
    part = 60_000 / work.tokens
    assert found.planned == pytest.approx(part * work.limit / 0.5)
    assert found.ratio == pytest.approx(10 / found.planned)
    assert found.tokens_a_second == 6_000
    peak = h200.fp32_tflops * 1e12
    assert found.mfu == pytest.approx(part * work.model_flops / (10 * peak))
    assert found.why == ""
    for device, known, why in (
        ("cpu x86_64", False, "the peak of cpu x86_64 is not in config/gpus.yaml"),
        ("NVIDIA L40S", True, "ran on NVIDIA L40S, planned for h200"),
    ):
        (found,) = compare([speed(device=device)], jobs, shares, gpus, "h200")
        assert (found.planned, found.ratio, found.why) == (None, None, why)
        assert (found.mfu is not None) == known


def test_finished_runs_teach_the_plan(study, assumed, gpus, tmp_path, work):
    before = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
    finish(study, tmp_path, "ipo")
    after = estimate(study, assumed, gpus, "h200", None, {}, tmp_path)
    assert before.shares["train"].source == "assumed"
    assert after.shares["train"].measured
    rows = {row.what: row for row in after.rows if row.kind == "train"}
    # The same tokens at the same share: what it took is what the next one will take.
    part = 50_000 / work.tokens
    assert rows["ipo"].gpu_hours * 3600 * part == pytest.approx(30.0)
    # What was measured is compared with the plan that was made before.
    (found,) = after.compared
    assert found.ratio != pytest.approx(1.0)

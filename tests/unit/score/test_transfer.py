"""Capability by group of tasks: groups, contrasts by hand and by scipy, blanks."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t, ttest_ind

from safegrid.config.load import load_config
from safegrid.core.records import Key
from safegrid.score.families import MethodSeeds, family_rows
from safegrid.score.paired_tests import SEEDS
from safegrid.score.resamples import AxisPart
from safegrid.score.transfer import (
    ALL_MATH,
    NO_MATH,
    NO_SPREAD,
    WELCH,
    by_group,
    contrasts,
    group_rows,
    tasks_by_group,
    welch,
)

CONFIG = Path(__file__).parents[3] / "config"
GROUPS = {"suite": {"math": ["*sums"], "code": ["code*"], "late": ["*"]}}
METHODS = [MethodSeeds("none", {0: 0}), MethodSeeds("dpo", {0: 1})]


def suite(**tasks):
    """Return a suite's tasks, each of (N, M) values of N items under M models."""
    return {
        Key("suite", "lm-eval", "capability", f"task={name}"): [
            AxisPart(
                "suite",
                np.array(values, dtype=float),
                np.array([f"{name}\0{item}" for item in range(len(values))]),
            )
        ]
        for name, values in tasks.items()
    }


def contrasted(found, methods=METHODS, groups=GROUPS):
    (family,) = contrasts(by_group(found, tasks_by_group(found, groups)), methods)
    return list(family_rows(family, 0.05, 1))


def changes(right, lost, gained, wrong):
    """Return values of base and method: kept, lost, gained and never right."""
    values = [[1, 1]] * right + [[1, 0]] * lost + [[0, 1]] * gained + [[0, 0]] * wrong
    return [list(map(float, pair)) for pair in values]


SUMS = changes(10, 8, 1, 1)
CODE = changes(20, 4, 2, 4)


def test_a_task_is_of_the_first_group_that_fits_it_else_of_other():
    found = suite(sums=SUMS, code_sums=CODE, mystery=CODE)
    math, other = {"math": ["*sums"]}, {"code": ["code*"]}
    grouped = tasks_by_group(found, {"suite": math | other})
    assert [
        (group.slice, [task.slice for task in tasks])
        for group, tasks in grouped.items()
    ] == [
        ("group=math", ["task=sums", "task=code_sums"]),
        ("group=other", ["task=mystery"]),
    ]
    rows = list(group_rows(found, grouped))
    assert [(row["slice"], row["first"], row["n"]) for row in rows] == [
        ("group=math", "sums", 20),
        ("group=math", "code_sums", 30),
        ("group=other", "mystery", 30),
    ]


@pytest.mark.parametrize(
    "study", sorted(path.stem for path in (CONFIG / "studies").glob("*.yaml"))
)
def test_every_task_that_a_study_or_the_registry_names_has_a_group(study):
    config = load_config(CONFIG, study)
    for spec in config.benchmarks.values():
        if spec.metric == "capability":
            found = suite(**dict.fromkeys([*spec.tasks, *config.tasks], CODE))
            grouped = tasks_by_group(found, {"suite": spec.task_groups})
            groups = {key.slice.removeprefix("group=") for key in grouped}
            assert groups == {*spec.task_groups}


def test_a_contrast_of_two_tasks_is_welchs_test_of_their_changes():
    (row,) = contrasted(suite(sums=SUMS, code=CODE))
    sums, code = (np.array(v)[:, 1] - np.array(v)[:, 0] for v in (SUMS, CODE))
    assert row["value"] == pytest.approx(-7 / 20 + 2 / 30)
    expected = ttest_ind(sums, code, equal_var=False)
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["test"], row["n"], row["n_clusters"]) == (WELCH, 50, 50)
    assert (row["first"], row["second"]) == ("dpo", "none")
    low, high = expected.confidence_interval()
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=0.03)


def test_a_contrast_of_three_groups_by_hand():
    """Mathematics of two tasks, two other groups: weights 1/2, 1/2, -1/2, -1/2.

    Changes: -7/20, 0, -2/30, -5/40. Sums of squares: 9, 4, 6, 5.
    """
    found = suite(
        sums=SUMS, more_sums=changes(3, 2, 2, 3), code=CODE, story=changes(30, 5, 0, 5)
    )
    (row,) = contrasted(found)
    value = (-7 / 20 + 0) / 2 - (-2 / 30 - 5 / 40) / 2
    squares, sums = np.array([9, 4, 6, 5]), np.array([-7, 0, -2, -5])
    n = np.array([20, 10, 30, 40])
    v = (squares - sums**2 / n) / (n - 1) / n / 4
    freedom = v.sum() ** 2 / (v**2 / (n - 1)).sum()
    assert row["value"] == pytest.approx(value)
    p = 2 * t.sf(abs(value) / np.sqrt(v.sum()), freedom)
    assert row["p"] == pytest.approx(p)
    assert row["error"] == pytest.approx(np.sqrt(v.sum()), rel=0.08)


def test_equal_losses_are_no_contrast_however_large_they_are():
    """Both groups lose 30 points; 5 of 100 tests say that one loses more."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(2000):
        math, other = (-(rng.random(n) < 0.3).astype(float) for n in (40, 120))
        found.append(welch(math.mean() - other.mean(), [math, other], [1, -1]))
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.015)


def test_methods_are_adjusted_together():
    three = [
        [a, b, c] for (a, b), (_, c) in zip(SUMS, changes(12, 6, 1, 1), strict=True)
    ]
    code = [[a, b, b] for a, b in CODE]
    methods = [*METHODS, MethodSeeds("nca", {0: 2})]
    first, second = contrasted(suite(sums=three, code=code), methods)
    assert first["holm"] == pytest.approx(2 * first["p"])
    assert second["holm"] == pytest.approx(max(second["p"], first["holm"]))


def test_a_contrast_of_seeds_needs_their_agreement():
    """The mean of the seeds is beyond chance by items, and not by two seeds."""
    sums = [[1.0, 0.0, 0.0]] * 15 + [[1.0, 0.0, 1.0]] * 10 + [[1.0, 1.0, 1.0]] * 15
    code = [[1.0, 1.0, 1.0]] * 30 + [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    methods = [METHODS[0], MethodSeeds("dpo", {0: 1, 1: 2})]
    (row,) = contrasted(suite(sums=sums, code=code), methods)
    assert (row["test"], row["seeds"]) == (SEEDS, 2)
    assert row["value"] == pytest.approx(-(25 + 15) / 80)
    assert row["p"] > 0.1


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ({"code": CODE, "story": CODE}, NO_MATH),
        ({"sums": SUMS, "more_sums": CODE}, ALL_MATH),
    ],
)
def test_without_two_sides_a_contrast_is_blank_with_its_reason(tasks, reason):
    (row,) = contrasted(suite(**tasks))
    assert (row.get("value"), row["n"], row["reason"]) == (None, 0, reason)


@pytest.mark.parametrize(
    "tasks",
    [
        {"sums": changes(9, 0, 0, 3), "code": changes(5, 0, 0, 5)},
        {"sums": changes(0, 1, 0, 0), "code": CODE},
    ],
)
def test_without_spread_a_contrast_has_a_value_and_no_certainty(tasks):
    (row,) = contrasted(suite(**tasks))
    assert row["value"] is not None
    assert (row["low"], row["p"], row["holm"]) == (None, None, None)
    assert row["reason"] == NO_SPREAD


def test_a_method_with_unscored_items_says_so():
    unread = [[1.0, float("nan")]] * 10 + [[1.0, 1.0]] * 10
    (row,) = contrasted(suite(sums=unread, code=CODE))
    assert "10 of 50 answers are unscored" in row["reason"]

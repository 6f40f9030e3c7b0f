"""Intervals: agreement with the libraries, clusters, extremes, coverage."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from safegrid.core.intervals import wilson
from safegrid.score.intervals import group_mean, intervals


def _interval(values, clusters=None, groups=None, scale="share", seed=0):
    values = np.asarray(values, dtype=float)
    clusters = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    groups = np.zeros(len(values), dtype=int) if groups is None else np.asarray(groups)
    return intervals(values[:, None], clusters, groups, [scale], seed)[0]


def test_independent_shares_get_wilsons_interval():
    expected = proportion_confint(7, 10, method="wilson")
    assert _interval([1] * 7 + [0] * 3) == pytest.approx(expected)


def test_wilson_keeps_room_above_and_below_the_extremes():
    assert wilson(10, 10).high == pytest.approx(1.0)
    assert wilson(10, 10).low == pytest.approx(0.722, abs=1e-3)
    assert wilson(0, 10).low == 0.0


def test_prompts_of_one_item_count_as_one_draw():
    values = np.repeat([0, 1] * 10, 10)
    alone = _interval(values)
    clustered = _interval(values, clusters=np.repeat(np.arange(20), 10))
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_clusters_without_spread_are_bounded_by_their_number():
    found = _interval([1] * 40, clusters=np.repeat(np.arange(4), 10))
    assert found.high == 1.0
    assert found.low == pytest.approx(wilson(4, 4).low)


def test_a_difference_that_is_zero_everywhere_is_not_certain():
    found = _interval([0] * 25, scale="difference")
    assert found.low == -found.high
    assert found.high == pytest.approx(wilson(0, 25).high)


def test_one_cluster_gives_no_interval_for_a_mean():
    assert all(np.isnan(_interval([3.0], scale="mean")))
    assert all(np.isnan(_interval([3.0, 4.0], clusters=[0, 0], scale="mean")))


def test_same_seed_same_interval_and_another_seed_another():
    values = np.random.default_rng(1).random(50)
    first = _interval(values, scale="mean", seed=3)
    assert first == _interval(values, scale="mean", seed=3)
    assert first != _interval(values, scale="mean", seed=4)


def test_an_interval_does_not_depend_on_its_neighbours_in_the_call():
    rng = np.random.default_rng(2)
    values = rng.random((60, 3))
    clusters = np.repeat(np.arange(20), 3)
    groups = np.zeros(60, dtype=int)
    together = intervals(values, clusters, groups, ["mean"] * 3, 0)
    alone = [_interval(column, clusters, groups, "mean") for column in values.T]
    assert np.allclose(together, alone)


def test_group_mean_weighs_groups_alike():
    values, groups = np.array([1.0, 1, 1, 0]), np.array([5, 5, 5, 7])
    assert group_mean(values, groups) == 0.5
    assert group_mean(values, np.zeros(4, dtype=int)) == 0.75


def test_interval_of_a_macro_average_surrounds_it():
    rng = np.random.default_rng(0)
    values = np.r_[rng.random(90) < 0.9, rng.random(30) < 0.3].astype(float)
    groups = np.repeat([0, 1], [90, 30])
    low, high = _interval(values, groups=groups)
    assert low < group_mean(values, groups) < high
    assert high < values.mean() + 0.01


def test_clustered_bootstrap_covers_near_its_level():
    rng = np.random.default_rng(5)
    hits = 0
    for seed in range(150):
        rates = rng.beta(2, 1, size=40)
        values = (rng.random((40, 5)) < rates[:, None]).astype(float)
        low, high = _interval(values.ravel(), np.repeat(np.arange(40), 5), seed=seed)
        hits += low <= 2 / 3 <= high
    assert hits / 150 > 0.88

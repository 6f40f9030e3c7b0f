"""Intervals of means and medians: the libraries', clusters, extremes, coverage."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from safegrid.core.intervals import wilson
from safegrid.score.cell import joined
from safegrid.score.intervals import ClusterMedians, estimate, group_mean, intervals
from safegrid.score.metrics import Measure
from safegrid.score.summary import against_base


def _interval(values, clusters=None, groups=None, scale="share", seed=0):
    values = np.asarray(values, dtype=float)
    clusters = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    groups = np.zeros(len(values), dtype=int) if groups is None else np.asarray(groups)
    return intervals(values[:, None], clusters, groups, [scale], seed)[0]


def test_independent_shares_get_wilsons_interval():
    expected = proportion_confint(7, 10, method="wilson")
    assert _interval([1] * 7 + [0] * 3) == pytest.approx(expected)


def test_prompts_of_one_item_count_as_one_draw():
    values = np.repeat([0, 1] * 10, 10)
    alone = _interval(values)
    clustered = _interval(values, clusters=np.repeat(np.arange(20), 10))
    assert clustered.high - clustered.low > 2 * (alone.high - alone.low)


def test_clusters_without_spread_are_bounded_by_their_number():
    found = _interval([1] * 40, clusters=np.repeat(np.arange(4), 10))
    assert found.high == 1.0
    assert found.low == pytest.approx(wilson(4, 4).low)
    assert wilson(10, 10).low == pytest.approx(0.722, abs=1e-3)
    assert wilson(0, 10).low == 0.0


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
    scales = ["mean", "median", "mean"]
    together = intervals(values, clusters, groups, scales, 0)
    columns = zip(values.T, scales, strict=True)
    alone = [_interval(column, clusters, groups, scale) for column, scale in columns]
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


@pytest.mark.parametrize("size", [1, 2, 7, 10])
def test_a_resamples_median_is_that_of_its_written_out_values(size):
    rng = np.random.default_rng(size)
    values = rng.integers(0, 5, size * 3).astype(float)
    codes = np.repeat(np.arange(size), 3)
    drawn = rng.integers(0, size, (50, size))
    times = np.stack([np.bincount(row, minlength=size) for row in drawn])
    found = ClusterMedians(values, codes, np.zeros_like(codes)).of(times)
    written = [np.concatenate([values[codes == c] for c in row]) for row in drawn]
    assert found == pytest.approx([np.median(row) for row in written])


def test_the_interval_is_the_percentile_bootstrap_of_whole_clusters():
    rng = np.random.default_rng(3)
    values, clusters = rng.normal(size=120), np.repeat(np.arange(40), 3)
    low, high = _interval(values, clusters, scale="median")
    medians = [
        np.median(values.reshape(40, 3)[rng.integers(0, 40, 40)]) for _ in range(4000)
    ]
    assert [low, high] == pytest.approx(np.quantile(medians, [0.025, 0.975]), abs=0.08)
    assert low < np.median(values) < high


def test_a_median_of_groups_is_the_mean_of_their_medians():
    values, groups = np.array([1.0, 2, 9, 5, 5]), np.array([0, 0, 0, 4, 4])
    assert estimate(values, groups, "median") == pytest.approx(3.5)
    low, high = _interval(
        np.tile(values, 20), groups=np.tile(groups, 20), scale="median"
    )
    assert low <= 3.5 <= high


def test_medians_of_values_that_all_agree_have_an_interval_of_no_length():
    assert _interval([0.5] * 20, scale="median") == (0.5, 0.5)
    assert all(np.isnan(_interval([0.5], scale="median")))
    assert all(np.isnan(_interval([0.1, 0.9], clusters=[0, 0], scale="median")))


def measure(name, scale, *values):
    filled = np.array(values)
    return Measure("reward", name, scale, filled, np.ones(len(filled), dtype=bool))


def test_against_the_base_it_is_the_median_of_paired_differences():
    own = measure("reward_median", "median", 1.0, 5.0, 6.0)
    base = measure("reward_median", "median", 0.0, 5.5, 2.0)
    [found] = against_base([own], [base])
    assert (found.name, found.scale) == ("reward_median_vs_base", "median")
    groups = np.zeros(3, dtype=int)
    assert estimate(found.values, groups, found.scale) == 1.0
    # The difference of the two medians would be 3.
    assert np.median(own.values) - np.median(base.values) == 3.0


def test_the_global_score_joins_means_and_no_medians():
    member = [measure("reward_mean", "mean", 1.0), measure("m", "median", 1.0)]
    assert [m.name for m in joined([member, member])] == ["reward_mean"]

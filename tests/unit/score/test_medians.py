"""Medians: their value, their interval, and what is joined to a global score."""

import numpy as np
import pytest

from safegrid.score.cell import joined
from safegrid.score.intervals import ClusterMedians, estimate, intervals
from safegrid.score.metrics import Measure
from safegrid.score.summary import against_base


def interval(values, clusters=None, groups=None, seed=0):
    values = np.asarray(values, dtype=float)
    clusters = np.arange(len(values)) if clusters is None else np.asarray(clusters)
    groups = np.zeros(len(values), dtype=int) if groups is None else np.asarray(groups)
    return intervals(values[:, None], clusters, groups, ["median"], seed)[0]


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
    low, high = interval(values, clusters)
    medians = [
        np.median(values.reshape(40, 3)[rng.integers(0, 40, 40)]) for _ in range(4000)
    ]
    assert [low, high] == pytest.approx(np.quantile(medians, [0.025, 0.975]), abs=0.08)
    assert low < np.median(values) < high


def test_a_median_beside_means_leaves_their_intervals_as_they_were():
    values = np.random.default_rng(1).random((30, 2))
    items, groups = np.arange(30), np.zeros(30, dtype=int)
    alone = intervals(values[:, :1], items, groups, ["mean"], 5)[0]
    together = intervals(values, items, groups, ["mean", "median"], 5)[0]
    assert together == pytest.approx(alone)


def test_of_groups_it_is_the_mean_of_their_medians():
    values, groups = np.array([1.0, 2, 9, 5, 5]), np.array([0, 0, 0, 4, 4])
    assert estimate(values, groups, "median") == pytest.approx(3.5)
    low, high = interval(np.tile(values, 20), groups=np.tile(groups, 20))
    assert low <= 3.5 <= high


def test_values_that_all_agree_have_an_interval_of_no_length():
    assert interval([0.5] * 20) == (0.5, 0.5)
    assert all(np.isnan(interval([0.5])))
    assert all(np.isnan(interval([0.1, 0.9], clusters=[0, 0])))


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

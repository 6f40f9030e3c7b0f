"""Paired comparisons: exact small cases, scipy's tests, seeds, bad input."""

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_1samp

from safegrid.core.intervals import wilson
from safegrid.score.paired import (
    Difference,
    ModelPair,
    compare_pairs,
    detectable,
    front_shares,
)
from safegrid.score.paired_tests import MCNEMAR, SEEDS, SIGN_FLIP, holm, sign_flips
from safegrid.score.resamples import AxisPart, over_seeds


def part(values, clusters=None, benchmark="a") -> AxisPart:
    values = np.array(values, dtype=float)
    clusters = range(len(values)) if clusters is None else clusters
    return AxisPart(benchmark, values, np.array([f"item {c}" for c in clusters]))


def compared(*parts: AxisPart, pair: ModelPair | None = None) -> Difference:
    return compare_pairs(parts, [pair or ModelPair([0], [1])], 1)[0]


def length(found: Difference) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_shares_of_single_items_are_tested_by_mcnemar() -> None:
    """8 answers of 20 where the first alone is right, 1 where the second is."""
    values = [[1, 0]] * 8 + [[0, 1]] + [[1, 1]] * 6 + [[0, 0]] * 5
    found = compared(part(values))
    assert (found.test, found.n, found.value) == (MCNEMAR, 20, pytest.approx(7 / 20))
    assert found.p == pytest.approx(2 * (1 + 9) / 2**9)
    assert length(found) == pytest.approx(2 * 1.96 * found.error, rel=0.1)


def test_few_clusters_are_flipped_in_every_way() -> None:
    """Three items of two prompts, one right each: of 8 ways 2 are as extreme."""
    values = [[1, 0], [0.5, 0.5]] * 3
    found = compared(part(values, [0, 0, 1, 1, 2, 2]))
    assert (found.test, found.n_clusters) == (SIGN_FLIP, 3)
    assert found.p == pytest.approx(2 / 8)


def test_many_clusters_are_flipped_as_scipy_flips_them() -> None:
    rng = np.random.default_rng(3)
    values = (rng.random((240, 2)) < [0.55, 0.45]).astype(float)
    clusters = np.arange(240) // 3
    sums = np.add.reduceat(values[:, 0] - values[:, 1], np.arange(0, 240, 3))
    theirs = permutation_test(
        (sums, np.zeros(80)),
        lambda x, y, axis: (x - y).sum(axis),
        permutation_type="samples",
        vectorized=True,
        rng=1,
    )
    assert compared(part(values, clusters)).p == pytest.approx(theirs.pvalue, abs=0.02)


def test_benchmarks_weigh_alike_in_value_and_test() -> None:
    short, long = part([[1, 0]] * 4), part([[0, 0]] * 400, range(10, 410), "b")
    found = compared(short, long)
    assert (found.value, found.n) == (pytest.approx(0.5), 404)
    assert found.p == pytest.approx(2 / 2**4, abs=0.02)


def test_an_answer_counts_where_both_are_scored() -> None:
    found = compared(part([[1, 0], [1, np.nan], [np.nan, 0], [0, 0], [1, 1]]))
    assert (found.n, found.value) == (3, pytest.approx(1 / 3))


def test_equal_answers_do_not_differ() -> None:
    found = compared(part([[1, 1], [0, 0]] * 20))
    assert (found.value, found.p, found.error) == (0.0, 1.0, 0.0)
    assert length(found) == pytest.approx(2 * wilson(0, 40).high)


@pytest.mark.parametrize(
    ("values", "clusters", "reason"),
    [
        ([[1, np.nan], [np.nan, 0]], None, "No answer to the same prompt"),
        ([[1, 0], [0, 0]], [0, 0], "derived from one item"),
    ],
)
def test_what_cannot_be_compared_says_why(values, clusters, reason) -> None:
    found = compared(part(values, clusters))
    assert (found.p, found.low, found.holm) == (None, None, None)
    assert reason in (found.reason or "")


def test_seeds_widen_the_interval_and_change_the_test() -> None:
    """The first model's seeds are 70, 50 and 30% right, the second's 40% each."""
    rng = np.random.default_rng(4)
    values = (rng.random((300, 6)) < [0.7, 0.5, 0.3, 0.4, 0.4, 0.4]).astype(float)
    one = compared(part(values), pair=ModelPair([0], [3]))
    all_of_them = compared(part(values), pair=ModelPair([0, 1, 2], [3, 4, 5]))
    assert (one.test, all_of_them.test, all_of_them.n) == (MCNEMAR, SEEDS, 300)
    assert [p.holm < 0.05 for p in (one, all_of_them) if p.holm] == [True, False]
    t = ttest_1samp(np.diff(values.mean(axis=0).reshape(2, 3), axis=0)[0], 0)
    assert all_of_them.p == pytest.approx(t.pvalue)
    assert length(all_of_them) > 1.5 * length(one)


@pytest.mark.parametrize(("spread", "seeds"), [(0.0, 3), (0.05, 3), (0.05, 5)])
def test_seeds_that_differ_make_no_false_difference(spread, seeds) -> None:
    """Two methods with equal means of their seeds: 200 studies, 5% and chance."""
    rng, studies = np.random.default_rng(7), 200
    chances = np.clip(rng.normal(0.6, spread, studies * 2 * seeds), 0, 1)
    values = (rng.random((300, len(chances))) < chances).astype(float)
    columns = np.arange(len(chances)).reshape(studies, 2, seeds)
    pairs = [ModelPair(first.tolist(), second.tolist()) for first, second in columns]
    found = compare_pairs([part(values)], pairs, 1)
    wrong = sum((one.p or 0) < 0.05 for one in found)
    assert wrong <= studies * 0.05 + 3 * (studies * 0.05 * 0.95) ** 0.5


def test_methods_far_apart_differ_in_a_large_family() -> None:
    """Three seeds 80 points apart, and others closer than their seeds: 78 pairs."""
    rng = np.random.default_rng(9)
    chances = [0.9, 0.85, 0.95, 0.1, 0.12, 0.08, 0.92, 0.84, 0.96]
    values = (rng.random((300, 9)) < chances).astype(float)
    far, near = ModelPair([0, 1, 2], [3, 4, 5]), ModelPair([0, 1, 2], [6, 7, 8])
    found = compare_pairs([part(values)], [far] * 39 + [near] * 39, 1)
    assert [one.holm < 0.05 for one in found] == [True] * 39 + [False] * 39


def test_equal_seeds_are_tested_by_their_prompts() -> None:
    values = np.repeat([[1.0, 0.0]] * 12 + [[0.0, 1.0]] * 2, 3, axis=1)
    found = compared(part(values), pair=ModelPair([0, 1, 2], [3, 4, 5]))
    assert found.p == pytest.approx(2 * (1 + 14 + 91) / 2**14, rel=0.35)


def test_seeds_are_drawn_for_all_models_alike() -> None:
    rows = np.tile([1.0, 3.0, 1.0, 3.0, 7.0], (500, 1))
    found = over_seeds(rows, np.array([0, 0, 1, 1, 2]), 5)
    assert found[0].tolist() == [2.0, 2.0, 7.0]
    assert (found[:, 0] == found[:, 1]).all()
    assert set(found[1:, 0]) == {1.0, 2.0, 3.0}


def test_a_false_difference_is_found_in_five_of_a_hundred() -> None:
    """Two models that do not differ, prompts in clusters of four: 500 studies."""
    rng, clusters = np.random.default_rng(6), np.repeat(np.arange(30), 4)
    shared = rng.standard_normal((30, 500))[clusters]
    p = sign_flips([part(shared + rng.standard_normal((120, 500)), clusters)], 1)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / 500) ** 0.5)


def test_holm_adjusts_a_family_and_leaves_blanks() -> None:
    """Holm 1979: 3 x 0.01, then the larger of 2 x 0.02 and the one before."""
    assert holm([0.02, None, 0.01, 0.5]) == [
        pytest.approx(0.04),
        None,
        pytest.approx(0.03),
        pytest.approx(0.5),
    ]
    assert holm([None]) == [None]


def test_a_difference_of_2_8_errors_is_found_with_80_percent_power() -> None:
    """(z of 0.975 + z of 0.8) = 2.80; more where the error itself is estimated."""
    assert detectable(10_000) == pytest.approx(2.8016, abs=1e-3)
    assert detectable(20) > 2.9


def test_that_difference_is_a_number_where_a_solver_of_statsmodels_fails() -> None:
    found = [detectable(n) for n in range(870, 1200)]
    assert found == pytest.approx([2.804] * len(found), abs=1e-3)


def test_the_front_is_drawn_anew_in_every_resample() -> None:
    safe = np.array([[1.0, 2.0, 1.0], [1.0, 0.5, np.nan]])
    kept = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 1.0]])
    assert front_shares([safe, kept]).tolist() == [0.5, 1.0, 0.5]

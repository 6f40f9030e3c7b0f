"""Shares corrected by a judge's rates: the published formula, coverage, refusals."""

import numpy as np
import pytest

from safegrid.core.intervals import wilson
from safegrid.score.judge_error import (
    Rates,
    UncorrectedError,
    by_rates,
    independent,
)


def test_a_share_is_corrected_as_published() -> None:
    """Lee et al., arXiv 2511.21140: 300 of 1,000, 45 of 50 and 40 of 50 right."""
    found = by_rates(0.3, 1000, Rates(45, 50, 40, 50))
    assert found.value == pytest.approx((0.3 + 0.8 - 1) / (0.9 + 0.8 - 1))
    z = 1.959964
    p, q0, q1 = (300 + z * z / 2) / (1000 + z * z), 41 / 52, 46 / 52
    theta = (p + q0 - 1) / (q0 + q1 - 1)
    of_q0, of_q1 = q0 * (1 - q0) / 52, q1 * (1 - q1) / 52
    shift = 2 * z * z * (theta * of_q1 - (1 - theta) * of_q0)
    variance = p * (1 - p) / (1000 + z * z)
    variance += (1 - theta) ** 2 * of_q0 + theta**2 * of_q1
    reach = z * variance**0.5 / (q0 + q1 - 1)
    limits = (max(0.0, theta + shift - reach), theta + shift + reach)
    assert (found.low, found.high) == pytest.approx(limits, abs=1e-6)


def test_a_share_below_the_false_positives_is_clipped_and_says_so() -> None:
    found = by_rates(0.08, 500, Rates(90, 100, 90, 100))
    assert (found.value, found.low) == (0.0, 0.0)
    assert 0.02 < found.high < 0.07


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_labelled_rows_of_another_kind_are_seen(share: float) -> None:
    """A judge that calls fewer answers positive than it would of harmless rows."""
    with pytest.raises(UncorrectedError, match="another kind"):
        by_rates(share, 500, Rates(90, 100, 90, 100))


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        (Rates(0, 0, 9, 10), "no positive row among its labelled rows"),
        (Rates(9, 10, 0, 0), "no negative row among its labelled rows"),
        (
            Rates(30, 100, 60, 100),
            "not shown to be better than chance on its labelled rows",
        ),
        (Rates(10, 100, 20, 100), r"sensitivity 0\.100, n=100; specificity 0\.200"),
        (Rates(3, 4, 3, 4), "not shown to be better than chance"),
        # One row does not make a judge better than chance.
        (Rates(1, 1, 20, 100), "not shown to be better than chance"),
    ],
)
def test_what_cannot_be_corrected_says_why(rates: Rates, reason: str) -> None:
    with pytest.raises(UncorrectedError, match=reason):
        by_rates(0.3, 100, rates)


@pytest.mark.parametrize("rows", [5, 100])
@pytest.mark.parametrize("truth", [0.05, 0.4, 0.9])
def test_intervals_cover_the_truth(truth: float, rows: int) -> None:
    """400 studies of a judge that errs on a fifth of the rows of either class.

    Of few rows, as of one category, the interval is wide and holds the truth too often.
    """
    rng, covered, given = np.random.default_rng(1), 0, 0
    for _ in range(400):
        positive = rng.random(300) < truth
        called = np.where(positive, rng.random(300) < 0.8, rng.random(300) < 0.2)
        hits = rng.binomial(rows, 0.8, 2)
        try:
            found = by_rates(
                float(called.mean()), 300, Rates(hits[0], rows, hits[1], rows)
            )
        except UncorrectedError:
            continue
        given += 1
        covered += found.low <= truth <= found.high
    assert given > 250
    assert covered / given > 0.95 - 3 * (0.95 * 0.05 / given) ** 0.5


def test_clustered_answers_are_worth_fewer() -> None:
    """A share's interval, read backwards: Wilson's, and one of four clusters of 50."""
    single = wilson(60, 200)
    assert independent(0.3, single.high - single.low, 200) == pytest.approx(
        200, rel=0.02
    )
    none = wilson(0, 50)
    assert independent(0.0, none.high - none.low, 200) == pytest.approx(50)
    assert independent(0.3, 2 * 1.96 * (0.3 * 0.7 / 4) ** 0.5, 200) == pytest.approx(
        4, rel=0.01
    )
    assert independent(0.3, 0.001, 200) == 200

"""Shares corrected for their judge: published formulas, coverage, refusals."""

import numpy as np
import pytest

from safegrid.core.intervals import wilson
from safegrid.score.judge_error import (
    Corrected,
    Rates,
    Stratum,
    by_labels,
    by_rates,
    independent,
)


def holds(found: Corrected, truth: float) -> bool:
    return found.low is not None and found.low <= truth <= (found.high or 0)


def strata_of(called, positive, n: int) -> list[Stratum]:
    """Label n answers of each verdict, drawn at random."""
    rng, strata = np.random.default_rng(4), []
    for verdict in np.unique(called):
        own = rng.permutation(np.flatnonzero(called == verdict))
        share, drawn = len(own) / len(called), own[:n]
        hits = float(positive[drawn].sum())
        strata.append(Stratum(str(verdict), share, hits, len(drawn)))
    return strata


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
    assert 0.02 < (found.high or 0) < 0.07


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_labelled_rows_of_another_kind_are_seen(share: float) -> None:
    """A judge that calls fewer answers positive than it would of harmless rows."""
    found = by_rates(share, 500, Rates(90, 100, 90, 100))
    assert found.value is None
    assert "another kind" in (found.reason or "")


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        (Rates(0, 0, 9, 10), "no positive one"),
        (Rates(9, 10, 0, 0), "no negative one"),
        (Rates(30, 100, 60, 100), "not better than chance"),
        (Rates(3, 4, 3, 4), "not better than chance"),
    ],
)
def test_what_cannot_be_corrected_says_why(rates: Rates, reason: str) -> None:
    found = by_rates(0.3, 100, rates)
    assert found.value is None
    assert reason in (found.reason or "")


@pytest.mark.parametrize("truth", [0.05, 0.4, 0.9])
def test_intervals_cover_the_truth(truth: float) -> None:
    """400 studies: 95% within what chance allows (3 standard errors of coverage)."""
    rng, covered = np.random.default_rng(1), np.zeros(2)
    for _ in range(400):
        positive = rng.random(300) < truth
        called = np.where(positive, rng.random(300) < 0.8, rng.random(300) < 0.2)
        rates = Rates(rng.binomial(100, 0.8), 100, rng.binomial(100, 0.8), 100)
        share, strata = float(called.mean()), strata_of(called, positive, 40)
        both = by_rates(share, 300, rates), by_labels(strata, 300, 300, 1)
        covered += [holds(found, truth) for found in both]
    assert covered / 400 == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / 400) ** 0.5)


def test_labels_of_these_answers_mend_what_rates_of_others_cannot() -> None:
    """The judge finds 90% on labelled rows of others, but 50% of these answers."""
    rng = np.random.default_rng(2)
    positive = np.arange(1000) < 400
    called = np.where(positive, rng.random(1000) < 0.5, rng.random(1000) < 0.05)
    share = float(called.mean())
    wrong = by_rates(share, 1000, Rates(90, 100, 95, 100))
    right = by_labels(strata_of(called, positive, 60), 1000, 1000, 1)
    assert not holds(wrong, 0.4)
    assert holds(right, 0.4)


def test_three_verdicts_are_three_strata() -> None:
    """Of 400 answers 60 are called refusal, 20 partial, 320 compliance; 40 of each."""
    rng, covered = np.random.default_rng(3), 0
    called = np.repeat(["refusal", "partial", "compliance"], [60, 20, 320])
    chance = np.repeat([0.95, 0.60, 0.02], [60, 20, 320])
    for draw in range(200):
        refuses = rng.random(400) < chance
        found = by_labels(strata_of(called, refuses, 40), 400, 400, draw)
        covered += holds(found, float(chance.mean()))
    assert covered >= 185


def test_labels_of_clustered_answers_are_worth_fewer() -> None:
    strata = [Stratum("safe", 0.5, 30, 40), Stratum("unsafe", 0.5, 10, 40)]
    single, clustered = (by_labels(strata, n, 400, 1) for n in (400, 50))
    assert single.value == clustered.value == pytest.approx(0.5)
    widths = [(one.high or 0) - (one.low or 0) for one in (single, clustered)]
    assert widths[1] > 2 * widths[0]


def test_a_verdict_without_a_labelled_answer_is_not_corrected() -> None:
    strata = [Stratum("safe", 0.8, 9, 10), Stratum("unsafe", 0.2, 0, 0)]
    found = by_labels(strata, 90, 90, 1)
    assert found.reason == "no answer that the judge calls 'unsafe' is labelled"
    assert by_labels(strata[:1], 90, 90, 1).value == pytest.approx(0.8 * 0.9)


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

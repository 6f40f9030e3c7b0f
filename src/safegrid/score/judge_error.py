"""Shares corrected for the errors of their judge.

Two ways, after what is labelled:

- rows of other models: Rogan and Gladen (1978) from the judge's sensitivity and
  specificity there, with the interval of Lee et al. (arXiv 2511.21140, eq. 7), which
  carries the uncertainty of both samples. It holds where the judge errs on these
  answers as often as on those rows.
- answers of the cell itself: prediction-powered inference, stratified by the verdict
  (Angelopoulos et al. 2023, arXiv 2301.09633; Fisch et al. 2024, 2406.04291). It holds
  whatever the judge's errors are.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from safegrid.core.intervals import LEVEL
from safegrid.score.intervals import RESAMPLES

JEFFREYS = 0.5
"""What a share's posterior adds to hits and misses (Jeffreys 1946)."""


class Rates(NamedTuple):
    """A judge on rows whose class is known.

    Attributes:
        found: positive rows that it calls positive.
        positive: positive rows.
        passed: negative rows that it calls negative.
        negative: negative rows.
    """

    found: int
    positive: int
    passed: int
    negative: int


class Stratum(NamedTuple):
    """The answers of a cell with one verdict, some of them labelled by people.

    Attributes:
        verdict: of the judge.
        share: of the cell's answers that have it.
        hits: labelled ones that count; not whole where raters of an answer differ.
        labelled: how many are labelled.
    """

    verdict: str
    share: float
    hits: float
    labelled: int


class Corrected(NamedTuple):
    """A share of positive answers.

    Attributes:
        value: clipped to [0, 1]; null for a reason.
        low, high: its 95% interval, clipped likewise.
        reason: why it could not be corrected.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    reason: str | None = None

    def mirrored(self) -> "Corrected":
        """Return the share of negative answers."""
        value, low, high = (
            None if one is None else 1 - one
            for one in (self.value, self.high, self.low)
        )
        return self._replace(value=value, low=low, high=high)


def by_rates(share: float, n: float, rates: Rates) -> Corrected:
    """Correct a share by what the judge gets right on labelled rows of other models.

    Args:
        share: of answers that the judge calls positive.
        n: independent answers behind it, see `independent`.
        rates: of the judge.
    """
    if not rates.positive or not rates.negative:
        lacking = "positive" if not rates.positive else "negative"
        return Corrected(
            None, reason=f"the judge's labelled rows have no {lacking} one"
        )
    z = _z()
    sensitivity = rates.found / rates.positive
    specificity = rates.passed / rates.negative
    if _youden(sensitivity, specificity, rates) <= 0:
        reason = (
            "the judge is not better than chance on its labelled rows (sensitivity"
            f" {sensitivity:.3f}, n={rates.positive}; specificity {specificity:.3f},"
            f" n={rates.negative})"
        )
        return Corrected(None, reason=reason)
    value = (share + specificity - 1) / (sensitivity + specificity - 1)
    # Each share with the pseudo-counts of Lee et al., so that none is 0 or 1.
    p, size = (share * n + z**2 / 2) / (n + z**2), n + z**2
    one, ones = (rates.found + 1) / (rates.positive + 2), rates.positive + 2
    nil, nils = (rates.passed + 1) / (rates.negative + 2), rates.negative + 2
    slope = one + nil - 1
    middle = (p + nil - 1) / slope
    of_one = middle * one * (1 - one) / ones
    of_nil = (1 - middle) * nil * (1 - nil) / nils
    shift = 2 * z**2 * (of_one - of_nil)
    variance = p * (1 - p) / size + middle * of_one + (1 - middle) * of_nil
    reach = z * variance**0.5 / slope
    centre = middle + shift
    if centre + reach <= 0 or centre - reach >= 1:
        reason = (
            f"the judge calls {share:.1%} of these answers positive, which does not fit"
            f" its errors on its labelled rows (sensitivity {sensitivity:.3f},"
            f" specificity {specificity:.3f}): these are of another kind"
        )
        return Corrected(None, reason=reason)
    return _clipped(value, centre - reach, centre + reach)


def _youden(sensitivity: float, specificity: float, rates: Rates) -> float:
    """Return the lower limit of how much better than chance the judge is."""
    variance = (
        sensitivity * (1 - sensitivity) / rates.positive
        + specificity * (1 - specificity) / rates.negative
    )
    return float(sensitivity + specificity - 1 - _z() * variance**0.5)


def by_labels(strata: Sequence[Stratum], n: float, total: int, seed: int) -> Corrected:
    """Correct a share by people's labels of some of these very answers.

    The labelled answers are drawn at random among those with the same verdict, so the
    labels of each verdict stand for all answers that have it.

    Args:
        strata: one a verdict that the judge gave, all answers together.
        n: independent answers behind the share, see `independent`.
        total: answers; where these are more, labels are worth as many fewer.
        seed: of the interval's draws.
    """
    for stratum in strata:
        if not stratum.labelled:
            reason = f"no answer that the judge calls {stratum.verdict!r} is labelled"
            return Corrected(None, reason=reason)
    rng, worth = np.random.default_rng(seed), n / total
    counts = [stratum.share * n + JEFFREYS for stratum in strata]
    shares = rng.dirichlet(counts, RESAMPLES)
    hits = [
        rng.beta(
            s.hits * worth + JEFFREYS,
            (s.labelled - s.hits) * worth + JEFFREYS,
            RESAMPLES,
        )
        for s in strata
    ]
    draws = (shares * np.stack(hits, axis=1)).sum(axis=1)
    value = sum(stratum.share * stratum.hits / stratum.labelled for stratum in strata)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return _clipped(value, float(low), float(high))


def _clipped(value: float, low: float, high: float) -> Corrected:
    inside = min(1.0, max(0.0, value))
    limits = (min(max(0.0, low), inside), max(min(1.0, high), inside))
    return Corrected(inside, *limits)


def _z() -> float:
    from scipy.stats import norm

    return float(norm.ppf((1 + LEVEL) / 2))


def independent(share: float, length: float, n: int) -> float:
    """Return how many independent answers a share of clustered ones is worth.

    The share's standard error by its 95% interval, against that of independent answers
    (Kish 1965, section 8.2); of a share of 0 or 1 Wilson's interval, read backwards.

    Args:
        share: of n answers.
        length: of its interval.
        n: at most these.
    """
    z = _z()
    if length <= 0:
        return float(n)
    if share in (0, 1):
        return min(n, z**2 * (1 / length - 1))
    return min(n, share * (1 - share) * (2 * z / length) ** 2)

"""Shares corrected for the errors of their judge, by its errors on labelled rows.

Rogan and Gladen (1978) from the judge's sensitivity and specificity on rows of other
models, with the interval of Lee et al. (arXiv 2511.21140, eq. 7), which carries the
uncertainty of both samples. It holds where the judge errs on these answers as often as
on those rows. Labels of a study's own answers: `safegrid.score.label_strata`.
"""

from typing import NamedTuple

from safegrid.core.intervals import LEVEL


class UncorrectedError(Exception):
    """A share cannot be corrected; the message says why."""


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


class Corrected(NamedTuple):
    """A share of positive answers with its 95% interval, all of them in [0, 1]."""

    value: float
    low: float
    high: float

    @classmethod
    def cut(cls, value: float, low: float, high: float) -> "Corrected":
        """Return a share and its limits, cut at 0 and 1."""
        inside = min(1.0, max(0.0, value))
        return cls(inside, min(max(0.0, low), inside), max(min(1.0, high), inside))

    def mirrored(self) -> "Corrected":
        """Return the share of negative answers."""
        return Corrected(1 - self.value, 1 - self.high, 1 - self.low)


def by_rates(
    share: float, n: float, rates: Rates, rows: str = "its labelled rows"
) -> Corrected:
    """Correct a share by what the judge gets right on labelled rows of other models.

    Few rows make a wide interval; they are enough where they show that the judge is
    better than chance.

    Args:
        share: of answers that the judge calls positive.
        n: independent answers behind it, see `independent`.
        rates: of the judge.
        rows: what the labelled rows are called in a message.

    Raises:
        UncorrectedError: rows of one class only, a judge that is not better than
            chance, or a share that does not fit its rates.
    """
    for kind, count in ("positive", rates.positive), ("negative", rates.negative):
        if not count:
            raise UncorrectedError(f"the judge has no {kind} row among {rows}")
    sensitivity = rates.found / rates.positive
    specificity = rates.passed / rates.negative
    told = (
        f"(sensitivity {sensitivity:.3f}, n={rates.positive}; specificity"
        f" {specificity:.3f}, n={rates.negative})"
    )
    if not _better_than_chance(sensitivity, specificity, rates):
        raise UncorrectedError(
            f"the judge is not shown to be better than chance on {rows} {told}"
        )
    low, high = _limits(share, n, rates)
    if high <= 0 or low >= 1:
        raise UncorrectedError(misfit(share, f"{rows} {told}"))
    value = (share + specificity - 1) / (sensitivity + specificity - 1)
    return Corrected.cut(value, low, high)


def misfit(share: float, rows: str) -> str:
    """Say that the judge's errors on some rows cannot be its errors on the answers."""
    return (
        f"the judge calls {share:.1%} of these answers positive, which does not fit"
        f" its errors on {rows}: these are of another kind"
    )


def _better_than_chance(sensitivity: float, specificity: float, rates: Rates) -> bool:
    """Say whether Youden's index is above 0, by its interval and by pseudo-counts."""
    variance = (
        sensitivity * (1 - sensitivity) / rates.positive
        + specificity * (1 - specificity) / rates.negative
    )
    lowest = sensitivity + specificity - 1 - _z() * variance**0.5
    one, nil, _, _ = _with_pseudo_counts(rates)
    return lowest > 0 and one + nil > 1


def _with_pseudo_counts(rates: Rates) -> tuple[float, float, int, int]:
    """Return sensitivity and specificity away from 0 and 1, and the rows of each."""
    ones, nils = rates.positive + 2, rates.negative + 2
    return (rates.found + 1) / ones, (rates.passed + 1) / nils, ones, nils


def _limits(share: float, n: float, rates: Rates) -> tuple[float, float]:
    """Return the limits of Lee et al., not cut at 0 and 1."""
    z = _z()
    p, size = (share * n + z**2 / 2) / (n + z**2), n + z**2
    one, nil, ones, nils = _with_pseudo_counts(rates)
    slope = one + nil - 1
    middle = (p + nil - 1) / slope
    of_one = middle * one * (1 - one) / ones
    of_nil = (1 - middle) * nil * (1 - nil) / nils
    variance = p * (1 - p) / size + middle * of_one + (1 - middle) * of_nil
    centre = middle + 2 * z**2 * (of_one - of_nil)
    reach = z * variance**0.5 / slope
    return centre - reach, centre + reach


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

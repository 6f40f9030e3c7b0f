"""Wilson's interval of a share (Wilson 1927), by scipy."""

from typing import NamedTuple

LEVEL = 0.95


class Interval(NamedTuple):
    """Lower and upper limit; NaN where no interval can be given."""

    low: float
    high: float


def wilson(hits: float, n: int) -> Interval:
    """Return the 95% interval of a share of `n` > 0 independent items."""
    from scipy.stats import binomtest

    k = round(hits)
    # Against the share itself: its p, which nobody asks for, takes most of the time.
    limits = binomtest(k, n, k / n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(limits.low), float(limits.high))

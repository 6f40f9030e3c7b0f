"""A share with its interval, as every measure of a judge gives it."""

from collections.abc import Sequence

from statsmodels.stats.proportion import proportion_confint

# One minus the level of the intervals.
ALPHA = 0.05


def share(hits: Sequence[bool]) -> dict[str, float | int | None]:
    """Return the share of hits with its Wilson interval (Wilson 1927), null of none."""
    n = len(hits)
    if n == 0:
        return {"value": None, "low": None, "high": None, "n": 0}
    low, high = proportion_confint(sum(hits), n, alpha=ALPHA, method="wilson")
    return {"value": sum(hits) / n, "low": float(low), "high": float(high), "n": n}

"""A share with its interval, as every measure of a judge gives it."""

from collections.abc import Sequence

from safegrid.core.intervals import wilson


def share(hits: Sequence[bool]) -> dict[str, float | int | None]:
    """Return the share of hits with its Wilson interval, null of none."""
    n = len(hits)
    if n == 0:
        return {"value": None, "low": None, "high": None, "n": 0}
    low, high = wilson(sum(hits), n)
    return {"value": sum(hits) / n, "low": low, "high": high, "n": n}

"""Paired comparisons of models over the same prompts: difference, interval, test.

A difference is taken prompt by prompt under both models, and the prompts derived from
one item count as one unit (Miller 2024, arXiv 2411.00640, sections 2.2 and 4.2):

- interval: percentile bootstrap that draws clusters; of several seeds a hierarchical
  one, which draws seeds, then clusters;
- p of one seed: McNemar's exact test for shares of independent items (McNemar 1947),
  else the sign-flip permutation test of the clusters' sums (Good 2005, section 3.2);
- p of several seeds: the larger one of this test on the means over seeds, and of
  Student's t test on the seeds' differences, so that neither prompts nor seeds alone
  make a difference. Two seeds hardly ever do.

Over many pairs of one measure the p are adjusted by Holm (1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from safegrid.core.intervals import LEVEL
from safegrid.score.intervals import Floats, Ints
from safegrid.score.paired_tests import (
    MCNEMAR,
    SEEDS,
    SIGN_FLIP,
    PairTest,
    among_seeds,
    holm,
    mcnemar,
    sign_flips,
)
from safegrid.score.resamples import (
    AxisPart,
    interval,
    over_seeds,
    resampled,
)

POWER = 0.8


@dataclass(frozen=True)
class ModelPair:
    """Two models to compare, as the columns of their seeds.

    Attributes:
        first: columns of the one, seed by seed.
        second: columns of the other, of the same seeds.
    """

    first: list[int]
    second: list[int]


@dataclass(frozen=True)
class Difference:
    """The first model's mean less the second's.

    Attributes:
        value: null without a common item; a mean over seeds.
        low, high: 95% interval; null with a single cluster.
        error: standard error of the value; null with a single cluster.
        p: two-sided; null with a single cluster.
        holm: p adjusted for all pairs of the measure, see `tested`.
        test: how p was found.
        n: items scored under both models in every seed.
        n_clusters: that these are derived from.
        reason: why something is null.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    error: float | None = None
    p: float | None = None
    holm: float | None = None
    test: str | None = None
    n: int = 0
    n_clusters: int = 0
    reason: str | None = None


def compare_pairs(
    parts: Sequence[AxisPart], pairs: Sequence[ModelPair], seed: int
) -> list[Difference]:
    """Compare pairs of models on one measure.

    Args:
        parts: benchmarks or tasks whose mean the measure is, over M models.
        pairs: of the M models' columns; several seeds of a pair have equal weights.
        seed: of bootstrap and permutation.
    """
    if not pairs:
        return []
    first = np.concatenate([pair.first for pair in pairs])
    second = np.concatenate([pair.second for pair in pairs])
    owners = np.repeat(np.arange(len(pairs)), [len(pair.first) for pair in pairs])
    # Numbers in the order of the names, which are slow to compare.
    every = np.unique(np.concatenate([part.clusters for part in parts]))
    differences = [
        replace(
            part,
            values=part.values[:, first] - part.values[:, second],
            clusters=np.searchsorted(every, part.clusters),
        )
        for part in parts
    ]
    rows = resampled({"": differences}, seed)[""]
    means = over_seeds(rows, owners, seed)
    flipped = _flipped(differences, owners, seed)
    found, tests = [], []
    for index in range(len(pairs)):
        mine = owners == index
        own = [replace(one, values=one.values[:, mine]) for one in differences]
        found.append(_comparison(own, means[:, index]))
        tests.append(_test(own, rows[0, mine], flipped[index]))
    return tested(found, tests)


def tested(
    found: Sequence[Difference], tests: Sequence[PairTest | None]
) -> list[Difference]:
    """Return differences with their tests, the prompts' p adjusted by Holm.

    The p of seeds is not adjusted: of three seeds it would pass for no large family,
    however far two methods are apart. A difference without an error has no test.
    """
    known = [
        test if one.error is not None else None
        for one, test in zip(found, tests, strict=True)
    ]
    adjusted = holm([test.prompts if test else None for test in known])
    return [
        replace(one, p=test.p, holm=max(p, test.seeds), test=test.name)
        if test is not None and p is not None
        else one
        for one, test, p in zip(found, known, adjusted, strict=True)
    ]


def _flipped(differences: list[AxisPart], owners: Ints, seed: int) -> Floats:
    """Return (P,) p of pairs by sign flips, of several seeds of their mean."""
    n = owners.max() + 1
    if _single(differences) and len(owners) == n:
        return np.full(n, np.nan)
    means = [
        np.stack(
            [one.values[:, owners == pair].mean(axis=1) for pair in range(n)], axis=1
        )
        for one in differences
    ]
    pairs = zip(differences, means, strict=True)
    return sign_flips([replace(one, values=mean) for one, mean in pairs], seed)


def _single(differences: Sequence[AxisPart]) -> bool:
    """Say whether the differences are of shares of independent items."""
    clusters = differences[0].clusters
    return (
        len(differences) == 1
        and _shares(differences)
        and len(np.unique(clusters)) == len(clusters)
    )


def _comparison(own: list[AxisPart], rows: Floats) -> Difference:
    """Put a pair's results together; `own` are its differences, a column a seed."""
    common = [~np.isnan(part.values).any(axis=1) for part in own]
    n = int(sum(mask.sum() for mask in common))
    if np.isnan(rows[0]):
        return Difference(reason="No answer to the same prompt is scored under both.")
    of = [part.clusters[mask] for part, mask in zip(own, common, strict=True)]
    n_clusters = len(np.unique(np.concatenate(of)))
    value = float(rows[0])
    if n_clusters < 2:
        reason = "All prompts are derived from one item: no interval and no test."
        return Difference(value, n=n, n_clusters=n_clusters, reason=reason)
    limits = interval(rows, n_clusters, "difference" if _shares(own) else "mean")
    low, high = (None if np.isnan(limit) else float(limit) for limit in limits)
    error = float(np.nanstd(rows[1:]))
    return Difference(value, low, high, error, n=n, n_clusters=n_clusters)


def _test(own: list[AxisPart], values: Floats, flipped: float) -> PairTest:
    """Return the test of a pair; `values` are its differences by seed."""
    if len(values) > 1:
        return PairTest(SEEDS, flipped, among_seeds(values))
    if _single(own):
        return PairTest(MCNEMAR, mcnemar(own[0].values[:, 0]))
    return PairTest(SIGN_FLIP, flipped)


def _shares(parts: Sequence[AxisPart]) -> bool:
    return all(part.scale in ("share", "difference") for part in parts)


@cache
def detectable(n_clusters: int) -> float:
    """Return the smallest difference that a paired test finds, in standard errors.

    Two-sided at 5%, with 80% power; 2.8 for many clusters.
    """
    from statsmodels.stats.power import TTestPower

    size = TTestPower().solve_power(
        nobs=n_clusters, alpha=1 - LEVEL, power=POWER, alternative="two-sided"
    )
    # Where its first solver fails, statsmodels gives an array of one.
    return float(np.squeeze(size) * np.sqrt(n_clusters))


def front_shares(axes: Sequence[Floats]) -> Floats:
    """Return (M,) the share of resamples in which a model is on the Pareto front.

    A model is on it where no other is at least as good on every axis and better on
    one. One without a value on some axis is never on it.

    Args:
        axes: (R, M) estimates of each axis, from the same resamples; more is better.
    """
    values = np.stack(axes)
    at_least = np.ones((values.shape[1], values.shape[2], values.shape[2]), dtype=bool)
    better = np.zeros_like(at_least)
    for axis in values:
        at_least &= axis[:, :, None] >= axis[:, None, :]
        better |= axis[:, :, None] > axis[:, None, :]
    beaten = (at_least & better).any(axis=1)
    on = ~beaten & ~np.isnan(values).any(axis=0)
    return np.asarray(on.mean(axis=0), dtype=np.float64)

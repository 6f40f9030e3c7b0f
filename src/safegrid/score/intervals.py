"""95% intervals for means and medians of per-item values, by scipy.

Which one, and why (Miller 2024, arXiv 2411.00640; Bowyer et al. 2025, 2503.01747):

- a share of independent items: Wilson, which holds for small n and near 0 and 1;
- everything else (several prompts derived from one item, several samples of a prompt,
  means, medians, paired differences, means of categories' values): a percentile
  bootstrap that draws clusters, never single items;
- no spread at all among the clusters: a bootstrap would claim certainty, so the
  bounds of a share that was seen 0 (or all) times in as many clusters stand in.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from safegrid.core.intervals import LEVEL, Interval, wilson

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MEDIAN = "median"
"""Scale of a measure whose score is its answers' median; all others are means."""
RESAMPLES = 2_000
BATCH_ELEMENTS = 20_000_000
"""Resampled indices held at once; bounds the bootstrap's memory near 0.5 GB."""
NO_INTERVAL = Interval(np.nan, np.nan)


def group_mean(values: Floats, groups: Ints) -> float:
    """Return the mean of the groups' means; with one group the plain mean."""
    counts = np.bincount(groups)
    means = np.bincount(groups, weights=values)[counts > 0] / counts[counts > 0]
    return float(means.mean())


def estimate(values: Floats, groups: Ints, scale: str) -> float:
    """Return the score of a measure: the mean of its groups' means, or medians.

    Of (N,) finite values in (N,) groups, from 0; a macro average has several. For the
    scale see `intervals`.
    """
    if scale != MEDIAN:
        return group_mean(values, groups)
    return float(np.mean([np.median(values[groups == g]) for g in np.unique(groups)]))


def intervals(
    values: Floats, clusters: Ints, groups: Ints, scales: list[str], seed: int
) -> list[Interval]:
    """Return one interval for each column of values that share their items.

    Args:
        values: (N, K) finite values of N items under K measures.
        clusters: (N,) what each item was derived from; clusters are independent.
        groups: (N,) group of each item, see `estimate`.
        scales: K times "share" (values 0 and 1), "difference" (-1 to 1, of two
            shares), "mean" (any value, differences of means included) or "median"
            (likewise, of which the middle one counts).
        seed: of the bootstrap; the same seed draws the same clusters every time.
    """
    _, codes = np.unique(clusters, return_inverse=True)
    _, levels = np.unique(groups, return_inverse=True)
    n = int(codes.max()) + 1
    independent = n == len(values) and levels.max() == 0
    # Run once, and only where a column needs it.
    limits = cache(lambda: _bootstrap(values, codes, levels, scales, seed))
    flat = np.ptp(values, axis=0) == 0
    found = []
    for column, scale in enumerate(scales):
        if scale == "share" and independent:
            found.append(wilson(values[:, column].sum(), len(values)))
        elif flat[column]:
            found.append(without_spread(values[0, column], n, scale))
        elif n < 2:
            found.append(without_spread(values[:, column].mean(), n, scale))
        else:
            low, high = limits()
            found.append(Interval(float(low[column]), float(high[column])))
    return found


def times_drawn(drawn: Ints) -> Floats:
    """Count how often each of R resamples drew each of C clusters, (R, C).

    `drawn` are (R, C) clusters, from 0, as they were drawn with replacement. Counts are
    floats: numpy would convert them at each product with values.
    """
    offsets = np.arange(len(drawn))[:, None] * drawn.shape[1]
    counts = np.bincount((drawn + offsets).ravel(), minlength=drawn.size)
    return counts.reshape(drawn.shape).astype(np.float64)


def without_spread(value: float, n: int, scale: str) -> Interval:
    """Bound a measure that has one and the same value in all of `n` clusters."""
    if scale in ("mean", MEDIAN):
        return NO_INTERVAL if n < 2 else Interval(value, value)
    margin = wilson(0, n).high
    lowest = 0.0 if scale == "share" else -1.0
    return Interval(max(lowest, value - margin), min(1.0, value + margin))


def _bootstrap(
    values: Floats, codes: Ints, levels: Ints, scales: list[str], seed: int
) -> tuple[Floats, Floats]:
    """Return the (K,) lower and upper limits by the bootstrap of whole clusters."""
    n_clusters, n_groups = int(codes.max()) + 1, int(levels.max()) + 1
    cell, size = codes * n_groups + levels, n_clusters * n_groups
    counts = np.bincount(cell, minlength=size).reshape(n_clusters, -1)
    sums = np.stack(
        [np.bincount(cell, weights=column, minlength=size) for column in values.T]
    ).reshape(values.shape[1], n_clusters, n_groups)
    medians = {
        column: ClusterMedians(values[:, column], codes, levels)
        for column, scale in enumerate(scales)
        if scale == MEDIAN
    }

    def statistic(drawn: Ints, axis: int = -1) -> Floats:
        """Return (K, R) estimates for (R, C) drawn clusters."""
        times = times_drawn(np.atleast_2d(drawn))
        totals = np.einsum("rc,kcg->krg", times, sums, optimize=True)
        with np.errstate(invalid="ignore"):
            # A group that no drawn cluster belongs to has no mean in that resample.
            means = np.nanmean(totals / (times @ counts), axis=-1)
        found = np.asarray(means, dtype=np.float64)
        for column, median in medians.items():
            found[column] = median.of(times)
        return found

    limits = bootstrap(
        (np.arange(n_clusters),),
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, BATCH_ELEMENTS // max(n_clusters, len(codes) if medians else 0)),
        vectorized=True,
        axis=-1,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return np.atleast_1d(limits.low), np.atleast_1d(limits.high)


class ClusterMedians:
    """The median of one column of values in resamples of its clusters.

    Counted instead of written out: a resample says how often it drew each cluster.
    """

    def __init__(self, values: Floats, codes: Ints, levels: Ints) -> None:
        """Sort the (N,) values of each group once, with the clusters they are of."""
        self._groups = []
        for level in np.unique(levels):
            members = np.flatnonzero(levels == level)
            order = members[np.argsort(values[members], kind="stable")]
            self._groups.append((values[order], codes[order]))

    def of(self, times: Floats) -> Floats:
        """Return (R,) means of the groups' medians in resamples as `times_drawn`.

        A group that one drew nothing of has no median there and is left out.
        """
        medians = [_medians(values, times[:, codes]) for values, codes in self._groups]
        return np.asarray(np.nanmean(medians, axis=0), dtype=np.float64)


def _medians(values: Floats, times: Floats) -> Floats:
    """Return (R,) medians of (M,) rising values, each held (R, M) times.

    NaN where a resample holds nothing.
    """
    reached = np.cumsum(times, axis=1)
    total = reached[:, -1]
    last = len(values) - 1
    lower, upper = (
        np.minimum((reached < place[:, None]).sum(axis=1), last)
        for place in ((total + 1) // 2, total // 2 + 1)
    )
    return np.where(total > 0, (values[lower] + values[upper]) / 2, np.nan)

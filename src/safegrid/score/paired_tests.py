"""Tests of paired differences: by prompts, by seeds, and adjusted for many pairs.

See `safegrid.score.paired` for which one is used where.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from safegrid.score.intervals import BATCH_ELEMENTS, Floats
from safegrid.score.resamples import TINY, AxisPart, ClusterSums

FLIPS = 10_000
"""Random flips, more where columns are many: one p of P must reach 0.05 / P."""
FLIPS_A_COLUMN = 40
MCNEMAR, SIGN_FLIP, SEEDS = "McNemar", "sign flip", "prompts and seeds"


class PairTest(NamedTuple):
    """The test of a pair: two-sided p by prompts, and by seeds if there are several."""

    name: str
    prompts: float
    seeds: float = 0.0

    @property
    def p(self) -> float:
        """The larger one: a difference is one of prompts and of seeds."""
        return max(self.prompts, self.seeds)


def among_seeds(values: Floats) -> float:
    """Return the p of (S,) differences by seed, by Student's t test around 0."""
    from scipy.stats import ttest_1samp

    if np.ptp(values) < TINY:
        return float(abs(values[0]) < TINY)
    return float(ttest_1samp(values, 0).pvalue)


def mcnemar(differences: Floats) -> float:
    """Return the exact p of (N,) differences of two shares, NaN where unscored."""
    from statsmodels.stats.contingency_tables import mcnemar as test

    wins, losses = int((differences == 1).sum()), int((differences == -1).sum())
    if wins + losses == 0:
        return 1.0
    return float(test([[0, wins], [losses, 0]], exact=True).pvalue)


def sign_flips(differences: Sequence[AxisPart], seed: int) -> Floats:
    """Return (K,) two-sided p of the mean of K columns of differences.

    Under the hypothesis that two models do not differ, the sum of a cluster's
    differences might as well have the other sign. Few clusters are flipped in every
    way, more of them at random. scipy's `permutation_test` gives the same, column by
    column; here all columns share the flips, in one product of matrices.
    """
    sums = _contributions(differences)
    observed = np.abs(sums.sum(axis=0)) - TINY
    n = max(FLIPS, FLIPS_A_COLUMN * sums.shape[1])
    hits = np.zeros(sums.shape[1])
    for signs in _signs(len(sums), n, seed):
        hits += (np.abs(signs @ sums) >= observed).sum(axis=0)
    ways = 2 ** len(sums)
    return np.asarray(hits / ways if ways <= n else (1 + hits) / (1 + n))


def _contributions(parts: Sequence[AxisPart]) -> Floats:
    """Return (C, K): what each cluster adds to the mean of each column."""
    every = np.unique(np.concatenate([part.clusters for part in parts]))
    total = np.zeros((len(every), parts[0].values.shape[1]))
    for sums in ClusterSums.of(parts, every):
        sums.add_to(total)
    return total


def _signs(n_clusters: int, n: int, seed: int) -> Iterator[Floats]:
    """Yield (B, C) signs: all ways to flip C clusters, or n of them at random."""
    if 2**n_clusters <= n:
        ways = np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters) & 1
        yield np.asarray(1.0 - 2 * ways, dtype=np.float64)
        return
    rng = np.random.default_rng(seed)
    batch = max(1, BATCH_ELEMENTS // n_clusters)
    for start in range(0, n, batch):
        size = (min(batch, n - start), n_clusters)
        flips = rng.integers(0, 2, size, dtype=np.int8)
        yield np.asarray(1.0 - 2 * flips, dtype=np.float64)


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust the p of a family by Holm; one that is null takes no part."""
    from statsmodels.stats.multitest import multipletests

    known = [index for index, one in enumerate(p) if one is not None]
    found: list[float | None] = [None] * len(p)
    if known:
        adjusted = multipletests([p[index] for index in known], method="holm")[1]
        for index, one in zip(known, adjusted, strict=True):
            found[index] = float(one)
    return found

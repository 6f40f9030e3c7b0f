"""Resamples: means of several models estimated from the same draws of clusters.

What is estimated from a resample of its own, its interval is the percentile bootstrap
(Efron and Tibshirani 1993, chapter 13).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from safegrid.core.intervals import LEVEL, Interval
from safegrid.score.intervals import (
    BATCH_ELEMENTS,
    NO_INTERVAL,
    RESAMPLES,
    Floats,
    Ints,
    times_drawn,
    without_spread,
)

K = TypeVar("K")

TINY = 1e-12
"""Readings that differ by less are equal up to rounding."""


@dataclass(frozen=True)
class AxisPart:
    """One benchmark, or one task of a suite, as a part of an axis.

    Attributes:
        benchmark: whose it is; an axis is the mean of its benchmarks, each of these
            the mean of its parts.
        values: (N, M) value of N items under M models, NaN where unscored.
        clusters: (N,) what each item was derived from, as text or numbers.
        measured: "mean" where the values are no shares, whatever they are here.
    """

    benchmark: str
    values: Floats
    clusters: NDArray[Any]
    measured: str = ""

    @property
    def scale(self) -> str:
        """The scale of the values, see `safegrid.score.intervals.intervals`."""
        if self.measured == "mean":
            return "mean"
        known = self.values[~np.isnan(self.values)]
        sizes = np.abs(known)
        if not ((sizes == 0) | (sizes == 1)).all():
            return "mean"
        return "difference" if (known < 0).any() else "share"


def weights(parts: Sequence[AxisPart]) -> list[float]:
    """Return the weights of an axis: benchmarks weigh alike, and so do their parts."""
    sizes = Counter(part.benchmark for part in parts)
    return [1 / (len(sizes) * sizes[part.benchmark]) for part in parts]


class ClusterSums:
    """The values of a part, added up by cluster once for all resamples.

    `every` are the (C,) clusters of all parts of all axes, sorted; `weight` is that of
    the part's mean in the axis.
    """

    def __init__(self, part: AxisPart, every: NDArray[Any], weight: float) -> None:
        self._clusters, rows = np.unique(
            np.searchsorted(every, part.clusters), return_inverse=True
        )
        known = ~np.isnan(part.values)
        size = (len(self._clusters), part.values.shape[1])
        self._totals, self._counts = np.zeros(size), np.zeros(size)
        np.add.at(self._totals, rows, np.where(known, part.values, 0.0))
        np.add.at(self._counts, rows, known)
        self.weight = weight

    @classmethod
    def of(cls, parts: Sequence[AxisPart], every: NDArray[Any]) -> list["ClusterSums"]:
        """Return the sums of an axis, weighed as `weights` says."""
        pairs = zip(parts, weights(parts), strict=True)
        return [cls(part, every, weight) for part, weight in pairs]

    def add_to(self, total: Floats) -> None:
        """Add to (C, M) what each cluster adds to the mean of each model."""
        with np.errstate(invalid="ignore"):
            total[self._clusters] += (
                self.weight * self._totals / self._counts.sum(axis=0)
            )

    def share(self, times: Floats) -> Floats:
        """Return (R, M): the weighted mean of each resample under each model.

        `times` (C, R) says how often each resample drew each cluster.
        """
        drawn = times[self._clusters]
        with np.errstate(invalid="ignore"):
            # A resample that draws nothing of a part has no mean of it.
            means = (self._totals.T @ drawn) / (self._counts.T @ drawn)
        return np.asarray(self.weight * means.T, dtype=np.float64)


def resampled(
    axes: Mapping[K, Sequence[AxisPart]], seed: int, resamples: int = RESAMPLES
) -> dict[K, Floats]:
    """Estimate every axis under every model, from all items and from resamples.

    Of axes over the same M models return (1 + R, M) each: the estimates from all items,
    then those from R resamples of the clusters of all axes. R is 0 where there is one
    cluster only.
    """
    parts = [part for members in axes.values() for part in members]
    every = np.unique(np.concatenate([part.clusters for part in parts]))
    sums = {name: ClusterSums.of(members, every) for name, members in axes.items()}
    found: dict[K, list[Floats]] = {axis: [] for axis in axes}
    for times in _draws(len(every), seed, resamples):
        for axis, rows in found.items():
            shares = np.stack([part.share(times) for part in sums[axis]])
            rows.append(
                shares.sum(axis=0) if not rows else _of_drawn(shares, sums[axis])
            )
    return {axis: np.concatenate(rows) for axis, rows in found.items()}


def _of_drawn(shares: Floats, sums: Sequence[ClusterSums]) -> Floats:
    """Return (R, M): the means of resamples by those parts that they drew any of."""
    missing = np.isnan(shares)
    if not missing.any():
        return np.asarray(shares.sum(axis=0), dtype=np.float64)
    weight = np.array([part.weight for part in sums])[:, None, None]
    drawn = np.where(missing, 0.0, weight).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(shares, axis=0) / drawn, dtype=np.float64)


def _draws(n_clusters: int, seed: int, resamples: int) -> Iterator[Floats]:
    """Yield (C, R) how often each cluster counts: once, then as in each resample."""
    yield np.ones((n_clusters, 1))
    rng = np.random.default_rng(seed)
    batch = max(1, BATCH_ELEMENTS // n_clusters)
    for start in range(0, resamples if n_clusters > 1 else 0, batch):
        size = (min(batch, resamples - start), n_clusters)
        yield np.ascontiguousarray(times_drawn(rng.integers(0, n_clusters, size)).T)


def over_seeds(rows: Floats, owners: Ints, seed: int) -> Floats:
    """Average seeds: all of them, then in each resample as many, drawn at random.

    Args:
        rows: (1 + R, K) estimates of K trainings, from all items and from R resamples.
        owners: (K,) which of G models a training is a seed of, from 0.
        seed: of the draws. Models with as many seeds draw the same ones, so that a
            seed's order of data counts for all.

    Returns:
        (1 + R, G), NaN where a seed has no estimate.
    """
    found = np.empty((len(rows), owners.max() + 1))
    for owner in range(found.shape[1]):
        own = rows[:, owners == owner]
        drawn = np.random.default_rng(seed).integers(0, own.shape[1], own.shape)
        drawn[0] = np.arange(own.shape[1])
        found[:, owner] = np.take_along_axis(own, drawn, axis=1).mean(axis=1)
    return found


def interval(rows: Floats, n_clusters: int, scale: str) -> Interval:
    """Return the percentile interval of an estimate from its resamples.

    Its rows are ordered as `resampled` orders them; the number of clusters behind it
    and the scale bound one without spread.
    """
    draws = rows[1:]
    if not np.isfinite(draws).any():
        return NO_INTERVAL
    if np.ptp(draws[np.isfinite(draws)]) < TINY:
        return without_spread(float(rows[0]), n_clusters, scale)
    tail = (1 - LEVEL) / 2
    low, high = np.nanquantile(draws, [tail, 1 - tail])
    return Interval(float(low), float(high))

"""Medians of resamples that draw whole clusters, counted instead of written out."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ClusterMedians:
    """The median of one column of values in resamples of its clusters."""

    def __init__(self, values: Floats, codes: Ints, levels: Ints) -> None:
        """Sort the values of each group once.

        Args:
            values: (N,) finite values.
            codes: (N,) cluster of each value, from 0.
            levels: (N,) group of each value; the groups' medians are averaged.
        """
        self._groups = []
        for level in np.unique(levels):
            members = np.flatnonzero(levels == level)
            order = members[np.argsort(values[members], kind="stable")]
            self._groups.append((values[order], codes[order]))

    def of(self, times: Ints) -> Floats:
        """Return (R,) means of the groups' medians.

        Args:
            times: (R, C) how often each resample drew each cluster. A group that it
                drew nothing of has no median there and is left out of the mean.
        """
        medians = [_medians(values, times[:, codes]) for values, codes in self._groups]
        return np.asarray(np.nanmean(medians, axis=0), dtype=np.float64)


def _medians(values: Floats, times: Ints) -> Floats:
    """Return (R,) medians; NaN where a resample holds nothing.

    Args:
        values: (M,) in rising order.
        times: (R, M) how often each resample holds each value.
    """
    reached = np.cumsum(times, axis=1)
    total = reached[:, -1]
    last = len(values) - 1
    lower, upper = (
        np.minimum((reached < place[:, None]).sum(axis=1), last)
        for place in ((total + 1) // 2, total // 2 + 1)
    )
    return np.where(total > 0, (values[lower] + values[upper]) / 2, np.nan)

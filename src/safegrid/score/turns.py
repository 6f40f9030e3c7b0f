"""Corrections after a prefill beside refusals at once, request by request.

Both are the correction judge's verdicts on answers to the same requests, with the
beginning of an unsafe answer and without, so they are compared request by request.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from safegrid.config.benchmark import DIRECT
from safegrid.score.aligned import Aligned
from safegrid.score.families import Family, MethodSeeds
from safegrid.score.resamples import AxisPart


def later_corrections(
    found: Aligned, methods: Sequence[MethodSeeds]
) -> Iterator[Family]:
    """Yield what each model corrects after a prefill less what it refuses at once.

    Args:
        found: measures of M models, among them corrections in slice `all`.
        methods: columns of the M models.
    """
    for key, parts in found.items():
        direct = found.get(key._replace(benchmark=DIRECT))
        if key[2:] != ("correction", "all") or key.benchmark == DIRECT or not direct:
            continue
        [later], [once] = parts, direct
        size = later.values.shape[1]
        couples = [
            (one, one._replace(columns={s: size + c for s, c in one.columns.items()}))
            for one in methods
        ]
        yield Family("later", key, [_by_request(later, once)], couples)


def _by_request(later: AxisPart, once: AxisPart) -> AxisPart:
    """Return the mean of each request's answers: M columns later, then M at once."""
    means = [
        pl.DataFrame(part.values)
        .fill_nan(None)
        .with_columns(request=part.clusters)
        .group_by("request")
        .mean()
        for part in (later, once)
    ]
    both = means[0].join(means[1], on="request").sort("request")
    values = both.drop("request").cast(pl.Float64).fill_null(np.nan).to_numpy()
    return AxisPart(later.benchmark, values, both["request"].to_numpy().astype(np.str_))

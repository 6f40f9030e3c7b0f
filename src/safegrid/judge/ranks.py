"""Validation of judges that score: pairwise accuracy, rank correlation.

Rows of format `reward_pairs` ask a reward model which of two answers is better; rows of
format `scored` ask a regression for a number that is known.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import bootstrap, rankdata

from safegrid.core.intervals import LEVEL
from safegrid.judge.agreement import Measures, by_category, estimate, share
from safegrid.judge.items import Item, Verdict
from safegrid.readers.labelled import read_reward_pairs, read_scored

# The answers to judge, and what to make of their verdicts.
Task = tuple[list[Item], Callable[[Sequence[Verdict]], Measures]]
Statistic = Callable[..., Any]
# A row's scores, of chosen and rejected, or known and given; None: unscored.
Two = tuple[float | None, float | None]

RESAMPLES = 2000
# A bootstrap of fewer rows says nothing.
LEAST = 10


def reward_pairs(path: Path) -> Task:
    """Ask for both answers of every pair; see `pair_measures`."""
    rows = read_reward_pairs(path)
    items = [
        Item.of(row.id, row.prompt, answer, sample=sample)
        for row in rows
        for sample, answer in enumerate((row.chosen, row.rejected))
    ]

    def measured(verdicts: Sequence[Verdict]) -> Measures:
        scores = [verdict.score for verdict in verdicts]
        twos = list(zip(scores[::2], scores[1::2], strict=True))
        categories = by_category(rows, twos, pair_measures)
        return {**pair_measures(twos), "categories": categories}

    return items, measured


def scored(path: Path) -> Task:
    """Ask for a score of every row; see `score_measures`."""
    rows = read_scored(path)
    items = [Item.of(row.id, row.prompt, row.response) for row in rows]

    def measured(verdicts: Sequence[Verdict]) -> Measures:
        twos = [(row.score, v.score) for row, v in zip(rows, verdicts, strict=True)]
        categories = by_category(rows, twos, score_measures)
        return {**score_measures(twos), "categories": categories}

    return items, measured


RANKED: dict[str, Callable[[Path], Task]] = {
    "reward_pairs": reward_pairs,
    "scored": scored,
}


def _known(twos: Sequence[Two]) -> list[tuple[float, float]]:
    return [(one, two) for one, two in twos if one is not None and two is not None]


def pair_measures(twos: Sequence[Two]) -> Measures:
    """Return the share of pairs whose chosen answer has the higher score.

    A tie is wrong: a judge that cannot tell answers apart is of no use to pick one.
    `ties` says how many there were. Pairs with an unscored answer are left out.
    """
    known = _known(twos)
    return {
        "n": len(known),
        "n_unscored": len(twos) - len(known),
        "pairwise_accuracy": share([chosen > rejected for chosen, rejected in known]),
        "ties": sum(chosen == rejected for chosen, rejected in known),
    }


def score_measures(twos: Sequence[Two]) -> Measures:
    """Return Spearman's rank correlation and the mean absolute error.

    The 95% intervals are percentile bootstraps over rows. The correlation is null where
    one side is constant; intervals are null of fewer than ten rows.
    """
    known = np.array(_known(twos), dtype=float).reshape(-1, 2)
    return {
        "n": len(known),
        "n_unscored": len(twos) - len(known),
        "spearman": _estimate(known, spearman),
        "mean_absolute_error": _estimate(known, absolute_error),
    }


def spearman(first: Any, second: Any, axis: int = -1) -> Any:
    """Return Spearman's correlation along an axis: Pearson's of the ranks.

    NaN where one side is constant. SciPy's takes one sample at a time.
    """
    ranks = [rankdata(values, axis=axis) for values in (first, second)]
    left, right = (r - r.mean(axis=axis, keepdims=True) for r in ranks)
    size = np.sqrt((left**2).sum(axis=axis) * (right**2).sum(axis=axis))
    with np.errstate(invalid="ignore"):
        return (left * right).sum(axis=axis) / size


def absolute_error(first: Any, second: Any, axis: int = -1) -> Any:
    """Return the mean absolute difference along an axis."""
    return np.abs(first - second).mean(axis=axis)


def _estimate(known: Any, statistic: Statistic) -> Measures:
    """Return a statistic of known and given scores, `(rows, 2)`, with its interval."""
    n = len(known)
    value = float(statistic(*known.T)) if n else float("nan")
    if n < LEAST or not np.isfinite(value):
        return estimate(n, value if np.isfinite(value) else None)
    found = bootstrap(
        tuple(known.T),
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=100,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    drawn = found.bootstrap_distribution
    # A draw of equal values alone has no correlation.
    low, high = np.nanpercentile(drawn, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return estimate(n, value, float(low), float(high))

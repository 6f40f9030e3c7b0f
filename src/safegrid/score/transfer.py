"""Capability by groups of tasks, and whether mathematics loses more than the others.

arXiv 2409.07772 says that alignment costs most in mathematics. A group's change is its
difference to the base, item by item, as the mean of its tasks; a method's contrast is
the change of `math` less the mean change of the other groups:

- interval: the bootstrap of `safegrid.score.paired`, which draws items;
- p: Welch's t test of a contrast of independent means (Welch 1947). Items of different
  tasks are independent, and their differences to the base vary by task. Flipped signs
  or exchanged tasks would test another hypothesis, that nothing changes at all;
- p of several seeds: the larger one of this test on the means over seeds, and of
  Student's t test on the seeds' contrasts.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from safegrid.core.records import Key
from safegrid.score.aligned import Aligned
from safegrid.score.families import Family, MethodSeeds, Row, with_base
from safegrid.score.intervals import Floats
from safegrid.score.paired import Difference, ModelPair, compare_pairs, tested
from safegrid.score.paired_tests import SEEDS, PairTest, among_seeds
from safegrid.score.resamples import TINY, AxisPart, weights

MATH, OTHER = "group=math", "group=other"
WELCH = "Welch"
NO_MATH = "No task of this suite is of the group `math`."
ALL_MATH = "All tasks of this suite are of the group `math`."
NO_SPREAD = (
    "A task has a single item, or the items of each task change alike: no interval and"
    " no test."
)

Groups = Mapping[str, Mapping[str, Sequence[str]]]
"""Of each suite its groups, and patterns of their tasks' names."""


def tasks_by_group(found: Aligned, groups: Groups) -> dict[Key, list[Key]]:
    """Return the tasks of each group of each suite; `found` holds every task.

    A task is of the first group with a pattern that fits its name, else of `other`.
    """
    grouped: dict[Key, list[Key]] = {}
    for key in found:
        if not key.slice.startswith("task="):
            continue
        task = key.slice.removeprefix("task=")
        fitting = (
            f"group={group}"
            for group, patterns in groups[key.benchmark].items()
            if any(fnmatchcase(task, pattern) for pattern in patterns)
        )
        group = key._replace(slice=next(fitting, OTHER))
        grouped.setdefault(group, []).append(key)
    return grouped


def group_rows(found: Aligned, grouped: Mapping[Key, list[Key]]) -> Iterator[Row]:
    """Yield which tasks each group holds, with their numbers of items."""
    for group, tasks in grouped.items():
        for task in tasks:
            n = sum(len(part.values) for part in found[task])
            name = task.slice.removeprefix("task=")
            yield {"kind": "group", **group._asdict(), "first": name, "n": n}


def by_group(found: Aligned, grouped: Mapping[Key, list[Key]]) -> Aligned:
    """Return the capability of each group: the mean of its tasks."""
    return {
        group: [part for task in tasks for part in found[task]]
        for group, tasks in grouped.items()
    }


def contrasts(groups: Aligned, methods: Sequence[MethodSeeds]) -> Iterator[Family]:
    """Yield the contrasts of each suite, of all methods to the base.

    Args:
        groups: of `by_group`.
        methods: the base untouched among them.
    """
    for math in dict.fromkeys(key._replace(slice=MATH) for key in groups):
        own = {key: groups[key] for key in groups if key.benchmark == math.benchmark}
        reason = NO_MATH if math not in own else ALL_MATH if len(own) < 2 else None
        signed = [] if reason else list(_signed({math: own[math], **own}))
        couples = with_base(methods)
        yield Family("contrast", math, signed, couples, contrast_pairs, reason)


def _signed(groups: Aligned) -> Iterator[AxisPart]:
    """Yield the tasks of G groups, so that their axis is the first less the others.

    As benchmarks of an axis groups weigh 1/G each: the values of the first are
    multiplied by G, those of the others by -G/(G - 1).
    """
    n = len(groups)
    for place, (key, parts) in enumerate(groups.items()):
        factor = -n / (n - 1) if place else n
        for part in parts:
            yield AxisPart(key.slice, factor * part.values, part.clusters, "mean")


def contrast_pairs(
    parts: Sequence[AxisPart], pairs: Sequence[ModelPair], seed: int
) -> list[Difference]:
    """Compare pairs as `compare_pairs` does, tested as a contrast of independent means.

    Args:
        parts: tasks of single items, whose mean is the contrast, over M models.
        pairs: of the M models' columns, seed by seed.
        seed: of the bootstrap.
    """
    compared = compare_pairs(parts, pairs, seed)
    welched = [_test(parts, *each) for each in zip(pairs, compared, strict=True)]
    found = [
        _untested(one) if test is None and one.value is not None else one
        for one, test in zip(compared, welched, strict=True)
    ]
    return tested(found, welched)


def _test(
    parts: Sequence[AxisPart], pair: ModelPair, found: Difference
) -> PairTest | None:
    """Return a contrast's test by items and by seeds; null without spread."""
    if found.value is None:
        return None
    less = [part.values[:, pair.first] - part.values[:, pair.second] for part in parts]
    p = welch(found.value, [one.mean(axis=1) for one in less], weights(parts))
    if p is None:
        return None
    if len(pair.first) == 1:
        return PairTest(WELCH, p)
    means = [np.nanmean(one, axis=0) for one in less]
    by_seed = np.asarray(np.average(means, axis=0, weights=weights(parts)))
    return PairTest(SEEDS, p, among_seeds(by_seed))


def _untested(found: Difference) -> Difference:
    n, n_clusters = found.n, found.n_clusters
    return Difference(found.value, n=n, n_clusters=n_clusters, reason=NO_SPREAD)


def welch(
    value: float, samples: Sequence[Floats], weight: Sequence[float]
) -> float | None:
    """Return the two-sided p of a weighted sum of independent means around 0.

    With the variance v = w^2 s^2 / n of each weighted mean, t = value / sqrt(sum v) has
    (sum v)^2 / sum(v^2 / (n - 1)) degrees of freedom (Welch 1947; Satterthwaite 1946).

    Args:
        value: the sum of the means.
        samples: (N,) each, NaN where unscored.
        weight: w of each mean.

    Returns:
        Null without spread, or where a sample has fewer than two values.
    """
    from scipy.stats import t

    known = [sample[~np.isnan(sample)] for sample in samples]
    n = np.array([len(sample) for sample in known])
    if n.min() < 2:
        return None
    spread = np.array([sample.var(ddof=1) for sample in known])
    v = np.square(weight) * spread / n
    if v.sum() < TINY**2:
        return None
    freedom = v.sum() ** 2 / (v**2 / (n - 1)).sum()
    return float(2 * t.sf(abs(value) / np.sqrt(v.sum()), freedom))

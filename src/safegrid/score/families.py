"""Families of comparisons: methods of a base on one measure, tested together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from safegrid.core.records import Key
from safegrid.score.intervals import Ints
from safegrid.score.paired import Difference, ModelPair, compare_pairs, detectable
from safegrid.score.resamples import AxisPart
from safegrid.score.summary import BASE, refusal

Row = dict[str, Any]
Test = Callable[[Sequence[AxisPart], Sequence[ModelPair], int], list[Difference]]
"""Differences of pairs on one measure; the int is a seed."""


class MethodSeeds(NamedTuple):
    """A recipe and the columns of its seeds."""

    recipe: str
    columns: dict[int, int]

    def beside(self, other: "MethodSeeds") -> ModelPair | None:
        """Pair the seeds that both have; the base untouched stands beside every seed.

        None where they have no seed in common, or one of them has none at all.
        """
        if not self.columns or not other.columns:
            return None
        if BASE in (self.recipe, other.recipe):
            mine, its = list(self.columns.values()), list(other.columns.values())
            size = max(len(mine), len(its))
            return ModelPair((mine * size)[:size], (its * size)[:size])
        both = [seed for seed in self.columns if seed in other.columns]
        if not both:
            return None
        return ModelPair(
            [self.columns[s] for s in both], [other.columns[s] for s in both]
        )


Couple = tuple[MethodSeeds, MethodSeeds]


class Family(NamedTuple):
    """Comparisons on one measure, whose p are adjusted together.

    Attributes:
        kind: of their rows.
        key: what is measured.
        parts: whose mean the measure is, over M models.
        couples: the first is compared with the second.
        test: what compares them.
        reason: why nothing can be compared.
    """

    kind: str
    key: Key
    parts: list[AxisPart]
    couples: list[Couple]
    test: Test = compare_pairs
    reason: str | None = None


def methods_of(models: Sequence[Row]) -> list[MethodSeeds]:
    """Return the recipes with the columns of their seeds, in the models' order."""
    found: dict[str, MethodSeeds] = {}
    for column, model in enumerate(models):
        method = found.setdefault(model["recipe"], MethodSeeds(model["recipe"], {}))
        method.columns[model["seed"]] = column
    return list(found.values())


def with_base(methods: Sequence[MethodSeeds]) -> list[Couple]:
    """Pair every other method with the base untouched."""
    bases = [method for method in methods if method.recipe == BASE]
    return [(one, base) for base in bases for one in methods if one != base]


def family_rows(family: Family, most_unscored: float, seed: int) -> Iterator[Row]:
    """Yield rows of COMPARISON: the comparisons of a family, blanks with a reason."""
    if family.reason:
        for couple in family.couples:
            yield {**_about(family, couple), "n": 0, "reason": family.reason}
        return
    asked, named = list[ModelPair](), list[Row]()
    counts = scored(family.parts)
    for couple in family.couples:
        (one, why), (other, its) = (
            counting(counts, method, most_unscored) for method in couple
        )
        about, pair = _about(family, couple), one.beside(other)
        if pair is None:
            reason = why or its or "The two have no seed in common."
            yield {**about, "n": 0, "reason": reason}
        else:
            asked.append(pair)
            named.append(about)
    results = family.test(family.parts, asked, seed)
    for about, pair, result in zip(named, asked, results, strict=True):
        seeds = len(set(zip(pair.first, pair.second, strict=True)))
        yield {**about, **_said(result), "seeds": seeds}


def _about(family: Family, couple: Couple) -> Row:
    first, second = (method.recipe for method in couple)
    key = family.key._asdict()
    return {"kind": family.kind, **key, "first": first, "second": second}


def _said(result: Difference) -> Row:
    smallest = None
    if result.error is not None:
        smallest = result.error * detectable(result.n_clusters)
    return {**asdict(result), "smallest": smallest}


def scored(parts: Sequence[AxisPart]) -> tuple[int, Ints]:
    """Return how many answers there are, and (M,) how many are scored."""
    values = np.concatenate([part.values for part in parts])
    return len(values), (~np.isnan(values)).sum(axis=0)


def counting(
    counts: tuple[int, Ints], method: MethodSeeds, most_unscored: float
) -> tuple[MethodSeeds, str | None]:
    """Return a method with the seeds that have a score, and why others have none.

    `counts` are those of `scored`.
    """
    total, known = counts
    columns, why = {}, None
    for seed, column in method.columns.items():
        reason = refusal(total, int(known[column]), most_unscored, None)
        if reason is None:
            columns[seed] = column
        else:
            why = f"{method.recipe} (seed {seed}): {reason}"
    return method._replace(columns=columns), why

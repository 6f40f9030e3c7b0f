"""Scores of one metric and slice per model, with seeds brought together.

Several seeds of a recipe become one entry: the mean of their values, from the lowest
lower to the highest upper limit, so that an interval spans both the items and the
seeds without a formula that would claim more.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl

from safegrid.config.doses import split_dose
from safegrid.core.artifacts import read_table
from safegrid.core.records import RUNS, SCORE
from safegrid.report.names import BASE, recipe_order, recipe_title


class Model(NamedTuple):
    """A row of a table: base and recipe, its seeds together."""

    base: str
    recipe: str


@dataclass(frozen=True)
class Entry:
    """One number with what belongs to it.

    Attributes:
        value: None is a blank with `reason`.
        low: of the 95% interval.
        high: of the 95% interval.
        n: items that count.
        n_unscored: items that a judge could not score, None where nobody counted.
        seeds: how many have a value.
        reason: of a blank.
        defects: of a published number, names of `safegrid.report.defects.DEFECTS`.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    n_unscored: int | None
    seeds: int
    reason: str | None
    defects: tuple[str, ...] = ()


MISSING = Entry(None, None, None, 0, 0, 0, "Not among the scores.")
NOT_ASKED = Entry(None, None, None, 0, 0, 0, None)
"""Of a benchmark that does not ask for this measure: a blank that needs no reason."""


def percent(share: float | None) -> float:
    """Return a share in percent; a blank is NaN, so it has no mark and no line."""
    return math.nan if share is None else 100 * share


class Key(NamedTuple):
    """What an entry is about."""

    benchmark: str
    judge: str
    metric: str
    slice: str


def read_scores(path: Path | str) -> pl.DataFrame:
    """Read a study's gathered scores."""
    return read_table(Path(path), SCORE)


BY = ("base", "recipe", *Key._fields)
Row = dict[str, Any]


def read_runs(path: Path | str) -> pl.DataFrame:
    """Read the facts of a study's runs."""
    return read_table(Path(path), RUNS)


def ends(scores: pl.DataFrame) -> pl.DataFrame:
    """Return scores without those of doses: the bases and the ends of trainings."""
    doses = [name for name in scores["recipe"].unique() if split_dose(name)[1]]
    return scores.filter(~pl.col("recipe").is_in(doses))


class Grid:
    """The scores of a study, looked up by model and key.

    Attributes:
        models: in print order: by base, `none` first, then as methods are listed.
        keys: everything that any model has a row for, sorted.
    """

    def __init__(self, scores: pl.DataFrame) -> None:
        seeds: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in scores.sort("seed").iter_rows(named=True):
            seeds[tuple(row[name] for name in BY)].append(row)
        self._entries = {name: _entry(rows) for name, rows in seeds.items()}
        models = {Model(base, recipe) for base, recipe, *_ in self._entries}
        self.models = sorted(models, key=lambda m: (m.base, recipe_order(m.recipe)))
        self.keys = sorted({Key(*name[2:]) for name in self._entries})

    def entry(self, model: Model, key: Key) -> Entry:
        """Return a model's entry, a blank where it has none."""
        return self._entries.get((*model, *key), MISSING)

    def find(
        self, metric: str, part: str | None = None, benchmark: str | None = None
    ) -> list[Key]:
        """Return the keys of a metric, of one slice and benchmark where named."""
        return [
            key
            for key in self.keys
            if key.metric == metric
            and part in (None, key.slice)
            and benchmark in (None, key.benchmark)
        ]

    def lead(self, metric: str) -> list[Key]:
        """Return the keys that stand for a metric of all safety benchmarks together.

        `global` where the study has it, else each benchmark that has the metric.
        """
        return self.find(metric, "all", "global") or self.find(metric, "all")

    def axis(self, metric: str) -> list[Key]:
        """Return the keys of an axis of a trade-off: those that lead.

        A study without a guard has refusal judges on its harmful requests: there true
        refusals stand for safety.
        """
        found = self.lead(metric)
        return found or (self.lead("true_refusal") if metric == "safety" else [])

    def title(self, model: Model) -> str:
        """Return a model's name in print; the base's only where there are several."""
        name = recipe_title(model.recipe)
        several = len({m.base for m in self.models}) > 1
        if not several:
            return name
        return model.base if model.recipe == BASE else f"{model.base} {name}"


def _entry(rows: list[Row]) -> Entry:
    known = [row for row in rows if row["value"] is not None]
    reasons = [
        f"seed {row['seed']}: {row['reason']}" if len(rows) > 1 else row["reason"]
        for row in rows
        if row["reason"] is not None
    ]
    lows = [row["low"] for row in known if row["low"] is not None]
    highs = [row["high"] for row in known if row["high"] is not None]
    return Entry(
        fmean(row["value"] for row in known) if known else None,
        min(lows, default=None),
        max(highs, default=None),
        sum(row["n"] for row in rows),
        sum(row["n_unscored"] for row in rows),
        len(known),
        " ".join(reasons) or None,
    )


def pareto(points: Iterable[tuple[float | None, ...]]) -> list[bool]:
    """Say of each point whether no other is as good everywhere and better somewhere.

    Args:
        points: coordinates, more is better; a point with a None is never optimal and
            dominates nothing.
    """
    listed = list(points)
    whole = [point for point in listed if None not in point]
    return [
        None not in point and not any(_dominates(other, point) for other in whole)
        for point in listed
    ]


def _dominates(
    other: tuple[float | None, ...], point: tuple[float | None, ...]
) -> bool:
    pairs = [
        (a, b)
        for a, b in zip(other, point, strict=True)
        if a is not None and b is not None
    ]
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

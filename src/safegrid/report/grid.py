"""Scores of one metric and slice per model, with seeds brought together.

Several seeds of a recipe become one entry: what stage `score_seeds` made of them. Of a
median it makes nothing: there their mean stands, from the lowest lower to the highest
upper limit.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl

from safegrid.config.training import split_dose
from safegrid.core.artifacts import read_table
from safegrid.core.records import RUNS, SCORE, Key
from safegrid.report.names import BASE, recipe_order, recipe_title


class ModelRow(NamedTuple):
    """A row of a table: base and recipe, its seeds together."""

    base: str
    recipe: str


class Value(NamedTuple):
    """A coordinate with its interval; NaN, which has no mark, is what is not known."""

    at: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Entry:
    """One number with its 95% interval and what belongs to it."""

    value: float | None = None  # None is a blank, for a `reason` where there is one
    low: float | None = None
    high: float | None = None
    n: int = 0  # items that count
    n_unscored: int | None = None  # that no judge could score; None: nobody counted
    seeds: int = 0  # how many have a value
    reason: str | None = None
    defects: tuple[str, ...] = ()  # of a published number, names in words.yaml
    side: str = ""  # HIGHER or LOWER where it differs from what it is held against

    @property
    def percent(self) -> Value:
        """The share in percent, to be drawn."""
        shares = (self.value, self.low, self.high)
        return Value(*(math.nan if share is None else 100 * share for share in shares))


MISSING = Entry(n_unscored=0, reason="Not among the scores.")
NOT_ASKED = Entry(n_unscored=0)
"""Of a benchmark that does not ask for this measure: a blank that needs no reason."""
BY = ("base", "recipe", *Key._fields)


def read_scores(path: Path | str) -> pl.DataFrame:
    """Read a study's gathered scores."""
    return read_table(Path(path), SCORE)


def read_runs(path: Path | str) -> pl.DataFrame:
    """Read the facts of a study's runs."""
    return read_table(Path(path), RUNS)


def ends(scores: pl.DataFrame) -> pl.DataFrame:
    """Return scores without those of doses: the bases and the ends of trainings."""
    doses = [name for name in scores["recipe"].unique() if split_dose(name)[1]]
    return scores.filter(~pl.col("recipe").is_in(doses))


class Grid:
    """Scores by model and key; models stand in print order, keys are sorted."""

    def __init__(self, scores: pl.DataFrame) -> None:
        # A figure asks for a few entries of many: each is made when it is asked for.
        self._rows: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for row in scores.sort("seed").iter_rows(named=True):
            self._rows[tuple(row[name] for name in BY)].append(row)
        models = {ModelRow(base, recipe) for base, recipe, *_ in self._rows}
        self.models = sorted(models, key=lambda m: (m.base, recipe_order(m.recipe)))
        self.keys = sorted({Key(*name[2:]) for name in self._rows})
        self.several_bases = len({model.base for model in models}) > 1

    def entry(self, model: ModelRow, key: Key) -> Entry:
        """Return a model's entry: a blank, without a reason where no model has it."""
        if rows := self._rows.get((*model, *key)):
            return _entry(rows)
        return MISSING if key in self.keys else NOT_ASKED

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

    def whole(self, *metrics: str) -> list[Key]:
        """Return the keys of metrics over all items of a benchmark, in this order."""
        return [key for metric in metrics for key in self.find(metric, "all")]

    def lead(self, *metrics: str) -> list[Key]:
        """Return the keys of `global`, else of each benchmark that has the metric."""
        return [
            key
            for metric in metrics
            for key in self.find(metric, "all", "global") or self.find(metric, "all")
        ]

    def axis(self, metric: str) -> list[Key]:
        """Return the keys of an axis of a trade-off: those that lead.

        A study without a guard has refusal judges on its harmful requests: there true
        refusals stand for safety.
        """
        found = self.lead(metric)
        return found or (self.lead("true_refusal") if metric == "safety" else [])

    def title(self, model: ModelRow, name: str | None = None) -> str:
        """Return a model's name in print; the base's only where there are several."""
        if self.several_bases and model.recipe == BASE and name is None:
            return model.base
        name = name or recipe_title(model.recipe)
        return f"{model.base} {name}" if self.several_bases else name


def _entry(rows: list[dict[str, Any]]) -> Entry:
    """Return a recipe's entry: over its seeds where they were scored, else a span."""
    own = [row for row in rows if row["seed"] is not None]
    if len(own) < len(rows):
        [over] = [row for row in rows if row["seed"] is None]
        named = ("value", "low", "high", "n", "n_unscored", "reason")
        return Entry(seeds=len(own), **{name: over[name] for name in named})
    return _span(own)


def _span(rows: list[dict[str, Any]]) -> Entry:
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


def pareto(points: Iterable[tuple[float, ...]]) -> list[bool]:
    """Say of each point whether no other is as good everywhere and better somewhere.

    More is better; a point with a NaN is never optimal and dominates nothing.
    """
    listed = list(points)
    return [
        not any(map(math.isnan, point))
        and not any(
            other != point and all(a >= b for a, b in zip(other, point, strict=True))
            for other in listed
        )
        for point in listed
    ]

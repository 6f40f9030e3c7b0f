"""Comparisons of methods: which of them differ, which lead, which are on a front."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import networkx as nx

from safegrid.core.artifacts import read_table
from safegrid.core.intervals import LEVEL
from safegrid.core.records import COMPARISON, Key
from safegrid.core.records import FRONTS as AXES
from safegrid.report.grid import Entry, Grid, ModelRow
from safegrid.report.names import METRICS
from safegrid.report.table import (
    DAGGER,
    DOUBLE_DAGGER,
    HIGHER,
    LOWER,
)

MARKS = {DAGGER: "safe", DOUBLE_DAGGER: "coherent"}
FRONTS = {mark: (name, AXES[name]) for mark, name in MARKS.items()}
"""By mark the name of a Pareto front in COMPARISON, and its axes."""

Row = dict[str, Any]


class Comparisons:
    """The comparisons of a study's methods, base by base."""

    def __init__(self, files: Iterable[Path | str] = ()) -> None:
        """Read rows of COMPARISON."""
        self._rows: dict[tuple[str, Key], dict[frozenset[str], Row]] = {}
        self._own: dict[tuple[str, Key], dict[tuple[str, str], Row]] = {}
        for path in files:
            for row in read_table(Path(path), COMPARISON).iter_rows(named=True):
                base, key = row["base"], Key(*(row[name] or "" for name in Key._fields))
                if row["kind"] == "pair":
                    pair = frozenset((row["first"], row["second"]))
                    self._rows.setdefault((base, key), {})[pair] = row
                else:
                    own = self._own.setdefault((row["kind"], key), {})
                    own[base, row["first"]] = row

    def own(self, kind: str, key: Key) -> dict[tuple[str, str], Row]:
        """Return the rows of a kind that is no pair, by base and recipe, or task."""
        return self._own.get((kind, key), {})

    def keys(self, kind: str) -> list[Key]:
        """Return the measures that have rows of a kind that is no pair."""
        return [key for own, key in self._own if own == kind]

    def all_of(self, key: Key) -> list[Row]:
        """Return the comparisons of all bases on one measure."""
        found = [rows for (_, own), rows in self._rows.items() if own == key]
        return [row for rows in found for row in rows.values()]

    def bases(self, key: Key) -> list[str]:
        """Return the bases whose methods are compared on a measure."""
        return [base for base, own in self._rows if own == key]

    def difference(self, base: str, key: Key, one: str, other: str) -> Entry:
        """Return a method's score less another's, marked where beyond chance."""
        row = self._rows.get((base, key), {}).get(frozenset((one, other)))
        return entry_of(row, -1 if row and row["first"] == other else 1)

    def beats(self, key: Key, one: ModelRow, other: ModelRow) -> bool:
        """Say whether a model is better than another one, by more than chance."""
        found = self.difference(one.base, key, one.recipe, other.recipe)
        better = METRICS[key.metric].better
        return found.side == (HIGHER if better > 0 else LOWER) and better != 0

    def known(self, base: str, key: Key, one: str, other: str) -> bool:
        """Say whether two methods were compared, and tested."""
        row = self._rows.get((base, key), {}).get(frozenset((one, other)))
        return row is not None and row["holm"] is not None

    def compared(self, key: Key, models: Iterable[ModelRow]) -> list[ModelRow]:
        """Return those of a base's models of which every two were compared.

        Left out are, one by one, those that lack most comparisons with the others; of
        several the last.
        """
        kept = list(models)
        while True:
            lacks = {
                m: sum(
                    not self.known(m.base, key, m.recipe, other.recipe)
                    for other in kept
                    if other != m
                )
                for m in kept
            }
            worst = max(reversed(kept), key=lambda m: lacks[m], default=None)
            if worst is None or not lacks[worst]:
                return kept if len(kept) > 1 else []
            kept.remove(worst)

    def leaders(self, grid: Grid, key: Key) -> set[ModelRow]:
        """Return the best model of each base, and those that do not differ from it."""
        found: set[ModelRow] = set()
        for base in self.bases(key) if METRICS[key.metric].better else ():
            own = self.compared(key, ranked(grid, base, key))
            found |= {model for model in own if not self.beats(key, own[0], model)}
        return found

    def on_front(
        self, keys: Sequence[Key], models: Sequence[ModelRow]
    ) -> set[ModelRow]:
        """Return the models of one base that no other one beats on the whole.

        A model beats another one that is better on one axis and worse on none, where
        only differences beyond chance count.
        """
        known = list(models)
        for key in keys:
            known = self.compared(key, known)
        return {
            model
            for model in known
            if not any(
                any(self.beats(key, other, model) for key in keys)
                and not any(self.beats(key, model, other) for key in keys)
                for other in known
            )
        }

    def front_share(self, front: str, model: ModelRow) -> Entry:
        """Return the share of resamples in which a model is on a Pareto front."""
        row = self.own("front", Key("", "", front, "")).get(model)
        return Entry(row["value"], reason=row["reason"]) if row else Entry()

    def letters(self, base: str, key: Key, recipes: Sequence[str]) -> dict[str, str]:
        """Return the letters of methods: those that share one do not differ.

        A letter stands for a largest set of methods of which no two differ (Piepho
        2004), in the order of the methods that are given. One that was not compared
        has none.
        """
        models = [ModelRow(base, recipe) for recipe in recipes]
        graph, known = nx.Graph(), self.compared(key, models)
        graph.add_nodes_from(model.recipe for model in known)
        for (_, one), (_, other) in combinations(known, 2):
            if not self.difference(base, key, one, other).side:
                graph.add_edge(one, other)
        cliques = [sorted(map(recipes.index, each)) for each in nx.find_cliques(graph)]
        found = dict.fromkeys(recipes, "")
        for name, members in zip(_names(), sorted(cliques), strict=False):
            for member in members:
                found[recipes[member]] += name
        return found


def entry_of(row: Row | None, sign: int = 1) -> Entry:
    """Return a difference, or with -1 the reverse, marked where beyond chance."""
    if row is None:
        return Entry()
    if row["value"] is None:
        return Entry(n=row["n"], reason=row["reason"])
    names = ("value", "low", "high") if sign > 0 else ("value", "high", "low")
    value, low, high = (
        None if row[name] is None else sign * row[name] for name in names
    )
    differs = row["holm"] is not None and row["holm"] < 1 - LEVEL
    side = (HIGHER if sign * row["value"] > 0 else LOWER) if differs else ""
    seeds, reason = row["seeds"] or 0, row["reason"]
    return Entry(value, low, high, row["n"], seeds=seeds, reason=reason, side=side)


NONE = Comparisons()
"""Where nothing was compared."""


def ranked(grid: Grid, base: str, key: Key) -> list[ModelRow]:
    """Return the models of a base that have a value, the best first."""
    sign = METRICS[key.metric].better or 1
    known = [
        (-sign * value, model)
        for model in grid.models
        if model.base == base and (value := grid.entry(model, key).value) is not None
    ]
    return [model for _, model in sorted(known, key=lambda pair: pair[0])]


def _names() -> Iterator[str]:
    """Yield a, b, ... z, aa, ab, ..."""
    yield from ascii_lowercase
    for first in ascii_lowercase:
        yield from (first + second for second in ascii_lowercase)

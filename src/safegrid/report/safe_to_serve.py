"""Safe to Serve (arXiv 2412.00074): its tables from our scores, the paper's beside."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import NamedTuple

import polars as pl

from safegrid.config.training import split_dose
from safegrid.core.records import Key
from safegrid.report.grid import NOT_ASKED, Entry, Grid, ModelRow
from safegrid.report.names import BENCHMARKS, METRICS, WORDS, recipe_order, recipe_title
from safegrid.report.pairs import NONE, Comparisons
from safegrid.report.published import EVERY, NOT_GIVEN, share_of, why
from safegrid.report.table import (
    SHEETS,
    Column,
    Row,
    Table,
    block_of,
    columns_of,
    full_title,
    rows_of,
    sheet_table,
)
from safegrid.report.tables import leading_rows

IT = "it"
"""Trained on the instructions alone: what the paper calls Base."""
GROUPS = ("sit", "raft_rewards", "raft_iterations", "dpo")
RECIPES = {
    "none": (-2, "untouched base", ""),
    IT: (-1, "IT", "IT"),
    r"sit_(\d+)": (0, "SIT-{0}", "{0}"),
    "raft_reward": (1, "RAFT by published reward model", "published\nreward model"),
    "raft_own": (1, "RAFT by own reward model", "own\nreward model"),
    "raft_labels": (1, "RAFT by labels", "labels"),
    r"raft_(\d+)": (2, "RAFT iteration {0}", "{0}"),
    r"dpo_(\d+)_(\d+)": (3, "DPO on {0}/{1} of the pairs", "{0}/{1}"),
    "dpo": (3, "DPO", "1"),
}
"""The paper's recipes in their order: place in GROUPS, title, and tick of an axis."""
PAPERS_NAMES = {
    "safety": ("Llama Guard safe",),
    "reward_median": ("median DeBERTa reward", "median GPT2 reward"),
    "harmfulness_median": ("median harmfulness",),
    "accuracy": ("exact choice",),
    "contains": ("word contained",),
    "bleu": ("BLEU",),
    "rouge_l": ("ROUGE-L",),
    "bertscore": ("BERTScore",),
    "entailment": ("claims entailed",),
}
"""Our metrics, and what the paper calls them."""


class Place(NamedTuple):
    """Where a recipe stands: its group, its number there, its title and tick."""

    group: int
    number: float
    title: str
    tick: str


def place_of(recipe: str) -> Place:
    """Return where a recipe stands by its name: by its numbers, or as it is listed."""
    for place, (pattern, (group, title, tick)) in enumerate(RECIPES.items()):
        if found := re.fullmatch(pattern, recipe):
            numbers = [int(number) for number in found.groups()]
            first, second = [*numbers, 1, 1][:2] if numbers else (place, 1)
            titles = (text.format(*numbers) for text in (title, tick))
            return Place(group, first / second, *titles)
    return Place(len(GROUPS), 0, recipe_title(recipe), recipe)


def models_of(grid: Grid, group: str) -> list[ModelRow]:
    """Return the models of a group, `it` first, then by number."""
    belong = (-1, GROUPS.index(group))
    found = [(m.base, place_of(m.recipe), m) for m in grid.models]
    return [model for _, place, model in sorted(found) if place.group in belong]


def every_model(grid: Grid) -> list[ModelRow]:
    """Return all models: the base, `it`, the groups in their order, then the rest."""
    found = []
    for model in grid.models:
        place = place_of(split_dose(model.recipe)[0])
        order = (place.group, place.number, recipe_order(model.recipe))
        found.append((model.base, order, model))
    return [model for *_, model in sorted(found)]


def _named(grid: Grid, model: ModelRow) -> str:
    return grid.title(model, place_of(model.recipe).title)


def by_benchmark(keys: Iterable[Key]) -> list[Key]:
    """Sort keys by benchmark as they are listed, `global` first."""
    places = {name: place for place, name in enumerate(BENCHMARKS)} | {"global": -1}
    return sorted(keys, key=lambda key: (places.get(key.benchmark, len(places)), key))


class Published:
    """The paper's numbers of some recipes.

    The paper prints its Base once beside the rows of SIT and once beside those of RAFT
    and DPO, measured in two ways. Only the places are read in which one of the asked
    recipes stands too.
    """

    def __init__(self, published: pl.DataFrame, recipes: set[str]) -> None:
        own = published.filter(pl.col("model").is_in(sorted(recipes - {IT})))
        self._rows = published.filter(
            pl.col("model").is_in(sorted(recipes | {IT})),
            pl.col("place").is_in(own["place"].unique().to_list()),
        )

    def has(self, metric: str, benchmarks: Iterable[str]) -> bool:
        """Say whether the paper has any number of a metric on these benchmarks."""
        found = self._rows.filter(
            pl.col("metric").is_in(PAPERS_NAMES.get(metric, ())),
            pl.col("benchmark").is_in(sorted(benchmarks)),
        )
        return not found.is_empty()

    def entry(self, recipe: str, benchmark: str, metric: str) -> Entry:
        """Return the paper's number of a cell; a share in percent, as it is printed."""
        own = self._rows.filter(model=recipe)
        if own.is_empty() or not self.has(metric, {benchmark}):
            return NOT_ASKED
        names = PAPERS_NAMES[metric]
        for row in own.filter(benchmark=benchmark).iter_rows(named=True):
            if row["metric"] in names and row["value"] is not None:
                return share_of(row, percent=METRICS[metric].unit == "share")
        reasons = own.filter(metric=EVERY)["source"].to_list()
        return Entry(reason=why(reasons[0]) if reasons else NOT_GIVEN)


def _columns(
    keys: Iterable[Key], theirs: Published | None, benchmarks: Iterable[str] = ()
) -> list[Column]:
    """Return a column a key, and the paper's behind those of a benchmark and metric.

    Where keys name no benchmark, the rows do: they are of `benchmarks`.
    """
    ours = columns_of(keys, _title, _measure)
    columns: list[Column] = []
    for (name, metric), alike in groupby(ours, lambda column: _measure(column.key)):
        columns += alike
        if theirs and theirs.has(metric, benchmarks or [name]):
            key = Key(name, "", metric, "all")
            title = f"{_title(key)}, published"
            columns.append(Column(title, key, 0, "printed", published=True))
    return columns


def _measure(key: Key) -> tuple[str, str]:
    return key.benchmark, key.metric


def _title(key: Key) -> str:
    if key.metric == "capability":
        task = key.slice.removeprefix("task=")
        return "lm-eval, mean" if key.slice == "all" else f"lm-eval {task}"
    return full_title(key)


def _table(
    name: str,
    grid: Grid,
    rows: list[Row],
    columns: list[Column],
    pairs: Comparisons,
    theirs: Published | None = None,
) -> Table:
    def of_paper(row: Row, column: Column) -> Entry:
        if theirs is None or row.model is None:
            return NOT_ASKED
        return theirs.entry(row.model.recipe, column.key.benchmark, column.key.metric)

    def against_it(model: ModelRow, key: Key) -> str:
        return pairs.difference(model.base, key, model.recipe, IT).side

    models = [row.model for row in rows if row.model]
    more = [] if any(m.recipe == IT for m in models) else [WORDS["no_it"]]
    table = sheet_table(name, grid, rows, columns, of_paper, against_it, more)
    return replace(table, tied=leading_rows(grid, models, columns, pairs))


def group_table(
    group: str,
    scores: pl.DataFrame,
    published: pl.DataFrame,
    pairs: Comparisons = NONE,
) -> Table:
    """Return one of `GROUPS`, benchmark by benchmark, the paper's numbers beside."""
    grid = Grid(scores)
    benchmarks, models = safety_benchmarks(grid), models_of(grid, group)
    found = [k for k in grid.whole(*SHEETS[group].metrics) if k.benchmark in benchmarks]
    keys = dict.fromkeys(key._replace(benchmark="") for key in found)
    theirs = Published(published, {model.recipe for model in models})
    # Bold would compare answers to one benchmark with those to another.
    columns = [replace(c, better=0) for c in _columns(keys, theirs, benchmarks)]
    rows = rows_of(grid, models, map(block_of, benchmarks), _named)
    return _table(group, grid, rows, columns, pairs, theirs)


def helpfulness_table(
    scores: pl.DataFrame, published: pl.DataFrame, pairs: Comparisons = NONE
) -> Table:
    """Return what every recipe is still good for, the paper's numbers beside."""
    grid = Grid(scores)
    safe = safety_benchmarks(grid)
    keys = [
        *(k for k in _listed(grid, "helpfulness") if k.benchmark not in safe),
        *grid.find("capability"),
        *grid.whole("reference_likelihood"),
    ]
    theirs = Published(published, {model.recipe for model in grid.models})
    rows = rows_of(grid, every_model(grid), named=_named)
    columns = _columns(keys, theirs)
    return _table("helpfulness", grid, rows, columns, pairs, theirs)


def all_methods_table(
    scores: pl.DataFrame, _: pl.DataFrame, pairs: Comparisons = NONE
) -> Table:
    """Return every recipe side by side, under one judge and one decoding."""
    grid = Grid(scores)
    keys = [
        *_listed(grid, "all_methods"),
        *grid.lead("degenerate"),
        *grid.whole("capability", "reference_likelihood"),
    ]
    rows = rows_of(grid, every_model(grid), named=_named)
    return _table("all_methods", grid, rows, _columns(keys, None), pairs)


def safety_benchmarks(grid: Grid) -> list[str]:
    """Return the benchmarks of harmful requests and of over-refusal, in print order."""
    keys = by_benchmark(grid.whole("safety", "over_refusal"))
    return list(dict.fromkeys(k.benchmark for k in keys if k.benchmark != "global"))


def _listed(grid: Grid, name: str) -> list[Key]:
    return [k for m in SHEETS[name].metrics for k in by_benchmark(grid.whole(m))]


TABLES: dict[str, Callable[..., Table]] = {
    **{group: partial(group_table, group) for group in GROUPS},
    "helpfulness": helpfulness_table,
    "all_methods": all_methods_table,
}

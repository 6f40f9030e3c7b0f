"""The tables of a report: what stands in them, not how they are written."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from safegrid.config.benchmarks import GLOBAL
from safegrid.report.cut import cut_notes, limits_of
from safegrid.report.decontaminated import decontaminated_table
from safegrid.report.grid import NOT_ASKED, Entry, Grid, Key, Model, ends, pareto
from safegrid.report.names import (
    BASE,
    METRICS,
    benchmark_title,
    metric_of,
    short_tasks,
    slice_title,
)
from safegrid.report.table import DAGGER, DOUBLE_DAGGER, Column, Table

FRONTS = {
    DAGGER: ("safety", "benign_requests_lost", "capability"),
    DOUBLE_DAGGER: ("safe_and_coherent", "benign_requests_lost", "capability"),
}
"""Axes of the Pareto fronts, by their mark: what a guard calls safe, or that less what
is degenerate; harmless requests neither refused nor answered degenerately; capable."""
ANSWERS = (
    "safety",
    "safe_and_coherent",
    "toxicity_mean",
    "true_refusal",
    "empty",
    "truncated",
    "repetitive",
    "disfluent",
    "degenerate",
    "mean_tokens",
)
"""A guard's and a toxicity judge's scores, then what neither can see."""
TOXICITY = ("toxicity_mean", "toxicity_share")
ADVERSARIAL = {
    "adversarial=yes": ", adversarial",
    "adversarial=no": ", not adversarial",
}
"""Halves of a benchmark, and what they add to a column's title."""


def main_table(scores: pl.DataFrame) -> Table:
    """Return the method x measure table, best values and Pareto-optimal rows marked."""
    grid = Grid(scores)
    columns = [*_safety_columns(grid), *_cost_columns(grid), *_task_columns(grid)]
    table = _model_table(
        "main", "Safety, what it costs, and capability.", grid, columns
    )
    return replace(table, marks=_marks(grid))


def summary_table(scores: pl.DataFrame) -> Table:
    """Return the main table's leading columns, narrow enough for a page."""
    grid = Grid(scores)
    columns = _columns(
        [
            *grid.find("safety", "all", "global"),
            *(
                key
                for name in ("safe_and_coherent", "true_refusal", "degenerate")
                for key in grid.lead(name)
            ),
            *grid.find("toxicity_mean", "all"),
            *grid.find("benign_requests_lost", "all"),
            *grid.find("capability", "all"),
            *grid.find("reference_likelihood", "all"),
        ],
    )
    title = "Safety, what it costs, and capability, in short."
    return replace(_model_table("summary", title, grid, columns), marks=_marks(grid))


def answers_table(scores: pl.DataFrame, runs: pl.DataFrame) -> Table:
    """Return what a guard cannot see, beside the scores of every benchmark.

    Args:
        scores: rows of SCORE.
        runs: rows of RUNS, which hold each benchmark's limit of new tokens.
    """
    grid = Grid(scores)
    found = [key for name in ANSWERS for key in grid.find(name, "all")]
    columns = _columns(dict.fromkeys(key._replace(benchmark="") for key in found))
    names = {key.benchmark for key in grid.find("degenerate", "all")}
    order = sorted(names, key=lambda name: (name != GLOBAL, name))
    rows = [(name, model) for name in order for model in grid.models]
    return Table(
        "answers",
        "What a guard cannot see: how the answers look, benchmark by benchmark.",
        "Benchmark and method",
        [f"{benchmark_title(name)}: {grid.title(model)}" for name, model in rows],
        # Bold would compare the answers to one benchmark with those to another.
        [replace(column, better=0) for column in columns],
        [
            [
                _asked(grid, found, model, column.key._replace(benchmark=name))
                for column in columns
            ]
            for name, model in rows
        ],
        notes=[
            "A dash without a reason: the benchmark does not ask for this measure.",
            *cut_notes(grid, limits_of(runs)),
        ],
    )


def _asked(grid: Grid, found: list[Key], model: Model, key: Key) -> Entry:
    """Return an entry, nothing where no model's answers are measured so."""
    return grid.entry(model, key) if key in found else NOT_ASKED


def differences_table(scores: pl.DataFrame) -> Table:
    """Return the paired differences of every model to its base."""
    grid = Grid(scores.filter(pl.col("recipe") != BASE))
    every = (
        "safety",
        "toxicity_mean",
        "over_refusal",
        "benign_requests_lost",
        "capability",
        "reference_likelihood",
    )
    keys = [
        *(key for name in every for key in grid.find(f"{name}_vs_base", "all")),
        *grid.lead("safe_and_coherent_vs_base"),
        *grid.lead("degenerate_vs_base"),
    ]
    title = "Paired differences to the base, on the same prompts and items."
    return _model_table("differences", title, grid, _columns(keys))


def category_table(scores: pl.DataFrame) -> Table:
    """Return the safety of every model by category, the macro categories first."""
    parts = ("macro=", "category=")
    return _sliced_table(scores, "categories", "safety", parts, "Category")


def attack_table(scores: pl.DataFrame) -> Table:
    """Return the success of every attack on every model."""
    return _sliced_table(scores, "attacks", "attack_success", ("attack=",), "Attack")


def _sliced_table(
    scores: pl.DataFrame, name: str, metric: str, parts: tuple[str, ...], head: str
) -> Table:
    """Return slices as rows, one kind after another; models but doses as columns."""
    grid = Grid(ends(scores))
    found = grid.find(metric)
    keys = [key for part in parts for key in found if key.slice.startswith(part)]
    several = len({key.benchmark for key in keys}) > 1
    rows = [
        (f"{benchmark_title(key.benchmark)}: " if several else "")
        + slice_title(key.slice)
        for key in keys
    ]
    info = METRICS[metric]
    columns = [
        Column(grid.title(model), Key("", "", metric, ""), 0, info.unit)
        for model in grid.models
    ]
    entries = [[grid.entry(model, key) for model in grid.models] for key in keys]
    title = f"{info.title.capitalize()} by {head.lower()}."
    return Table(name, title, head, rows, columns, entries)


def _model_table(name: str, title: str, grid: Grid, columns: list[Column]) -> Table:
    entries = [[grid.entry(m, column.key) for column in columns] for m in grid.models]
    rows = [grid.title(model) for model in grid.models]
    return Table(name, title, "Method", rows, columns, entries)


def _safety_columns(grid: Grid) -> list[Column]:
    overall = grid.find("safety", "all", GLOBAL)
    pooled = grid.find("safety", "pooled", GLOBAL)
    stands = {key.metric for key in grid.axis("safety")}
    members = [
        key
        for metric in stands
        for key in grid.find(metric, "all")
        if key.benchmark != GLOBAL
    ]
    lead = [
        k
        for m in ("safe_and_coherent", "true_refusal", "degenerate")
        for k in grid.lead(m)
    ]
    return _columns(dict.fromkeys([*overall, *pooled, *members, *lead]))


def _cost_columns(grid: Grid) -> list[Column]:
    parts = [
        *((name, part) for name in TOXICITY for part in ("all", *ADVERSARIAL)),
        ("over_refusal", "all"),
        ("benign_requests_lost", "all"),
    ]
    return _columns([key for part in parts for key in grid.find(*part)])


def _task_columns(grid: Grid) -> list[Column]:
    keys = grid.find("capability")
    tasks = [key for key in keys if key.slice.startswith("task=")]
    means = [key for key in keys if key.slice == "all"]
    likelihoods = grid.find("reference_likelihood", "all")
    return _columns([*tasks, *means, *likelihoods])


def _columns(keys: Iterable[Key]) -> list[Column]:
    listed = list(keys)
    judges = {
        metric: {key.judge for key in listed if key.metric == metric}
        for metric in {key.metric for key in listed}
    }
    tasks = short_tasks(
        sorted({k.slice for k in listed if k.slice.startswith("task=")})
    )
    alike = Counter(key._replace(benchmark="") for key in listed)
    return [
        _column(
            key,
            len(judges[key.metric]) > 1,
            alike[key._replace(benchmark="")] > 1,
            tasks,
        )
        for key in listed
    ]


def _column(
    key: Key, several_judges: bool, several_benchmarks: bool, tasks: dict[str, str]
) -> Column:
    info = metric_of(key.metric)
    judge = f" ({key.judge})" if several_judges else ""
    name = _title(key, info.title, tasks)
    if several_benchmarks and not key.metric.startswith("safety"):
        name = f"{benchmark_title(key.benchmark)} {name}"
    signed = key.metric.endswith("_vs_base")
    return Column(name + judge, key, info.better, info.unit, signed)


def _title(key: Key, title: str, tasks: dict[str, str]) -> str:
    if key.slice in tasks:
        return tasks[key.slice]
    metric = key.metric.removesuffix("_vs_base")
    if metric == "safety":
        pooled = ", pooled" if key.slice == "pooled" else ""
        return f"{benchmark_title(key.benchmark)} {title}{pooled}".lstrip()
    if metric == "capability":
        return "capability, mean"
    return f"{title}{ADVERSARIAL.get(key.slice, '')}"


def _marks(grid: Grid) -> list[str]:
    """Return each row's marks: no other model of its base beats it on every axis."""
    marks = [""] * len(grid.models)
    for mark, axes in FRONTS.items():
        keys = [
            (METRICS[name].better, key) for name in axes for key in grid.axis(name)[:1]
        ]
        for base in {model.base for model in grid.models}:
            rows = [i for i, model in enumerate(grid.models) if model.base == base]
            points = [_point(grid, grid.models[row], keys) for row in rows]
            for row, optimal in zip(rows, pareto(points), strict=True):
                marks[row] += mark if optimal and len(keys) == len(axes) else ""
    return marks


def _point(
    grid: Grid, model: Model, keys: list[tuple[int, Key]]
) -> tuple[float | None, ...]:
    values = [(sign, grid.entry(model, key).value) for sign, key in keys]
    return tuple(None if value is None else sign * value for sign, value in values)


ALL = (
    main_table,
    summary_table,
    differences_table,
    category_table,
    attack_table,
    decontaminated_table,
)
"""Every table that is made from scores alone; `answers_table` reads runs too."""

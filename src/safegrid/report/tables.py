"""The tables of a report: what stands in them, not how they are written."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby

import polars as pl

from safegrid.config.benchmark import GLOBAL
from safegrid.core.records import Key
from safegrid.report.grid import Entry, Grid, ModelRow, ends, pareto
from safegrid.report.names import (
    BASE,
    CORRECTED,
    METRICS,
    SLICED,
    WORDS,
    benchmark_title,
    metric_of,
    short_tasks,
    slice_title,
)
from safegrid.report.pairs import FRONTS, NONE, Comparisons
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

BY_RATES, LABELLED = CORRECTED
COHERENT = ("safe_and_coherent", "true_refusal", "degenerate")
ADVERSARIAL = {
    "adversarial=yes": ", adversarial",
    "adversarial=no": ", not adversarial",
}
"""Halves of a benchmark, and what they add to a column's title."""
MANY_CUT = 0.1
"""Share of a model's answers to a benchmark above which a report tells of the cut."""


def main_table(scores: pl.DataFrame, pairs: Comparisons = NONE) -> Table:
    """Return the method x measure table, best values and Pareto-optimal rows marked."""
    grid = Grid(scores)
    stands = {key.metric for key in grid.axis("safety")}
    halves = ("all", *ADVERSARIAL)
    keys = [
        *grid.find("safety", "all", GLOBAL),
        *grid.find("safety", "pooled", GLOBAL),
        *(key for key in grid.whole(*stands) if key.benchmark != GLOBAL),
        *grid.lead(*COHERENT),
        *(key for part in halves for key in grid.find("toxicity_mean", part)),
        *(key for part in halves for key in grid.find("toxicity_share", part)),
        *grid.whole("over_refusal", "benign_requests_lost"),
        *(k for k in grid.find("capability") if k.slice.startswith("task=")),
        *grid.whole("capability", "reference_likelihood"),
    ]
    return _leading("main", grid, keys, pairs)


def summary_table(scores: pl.DataFrame, pairs: Comparisons = NONE) -> Table:
    """Return the main table's leading columns, narrow enough for a page."""
    grid = Grid(scores)
    costs = ("toxicity_mean", "benign_requests_lost", "capability")
    keys = [
        *grid.find("safety", "all", GLOBAL),
        *grid.lead(*COHERENT),
        *grid.whole(*costs, "reference_likelihood"),
    ]
    return _leading("summary", grid, keys, pairs)


def differences_table(scores: pl.DataFrame) -> Table:
    """Return the paired differences of every model to its base."""
    grid = Grid(scores.filter(pl.col("recipe") != BASE))
    keys = [
        *grid.whole(*SHEETS["differences"].metrics),
        *grid.lead("safe_and_coherent_vs_base", "degenerate_vs_base"),
    ]
    return _of_models("differences", grid, keys)


def answers_table(scores: pl.DataFrame, runs: pl.DataFrame) -> Table:
    """Return what a guard cannot see, beside the scores of every benchmark."""
    grid = Grid(scores)
    found = grid.whole(*SHEETS["answers"].metrics)
    keys = [key._replace(benchmark="") for key in found]
    names = {key.benchmark for key in grid.whole("degenerate")}
    order = sorted(names, key=lambda name: (name != GLOBAL, name))
    rows = rows_of(grid, grid.models, map(block_of, order))
    # Bold would compare the answers to one benchmark with those to another.
    columns = [replace(column, better=0) for column in columns_by_score(keys)]
    return sheet_table("answers", grid, rows, columns, more=_cut(grid, runs))


def _cut(grid: Grid, runs: pl.DataFrame) -> Iterator[str]:
    """Say at which benchmarks many answers of a model are cut, and by which limit."""
    limits = runs.filter(kind="limit").select("subject", "value")
    for name, limit in limits.unique().sort("subject").rows():
        for key in grid.find("truncated", "all", name):
            shares = [grid.entry(model, key).value or 0 for model in grid.models]
            many = sum(share > MANY_CUT for share in shares)
            if many:
                yield (
                    f"{benchmark_title(name)}: {many} of {len(shares)} models have more"
                    f" than {MANY_CUT:.0%} of their answers cut at the limit of"
                    f" {limit:.0f} new tokens (`max_new_tokens`), up to"
                    f" {max(shares):.1%}. A cut answer is no broken one; only a higher"
                    " limit tells how it goes on."
                )


def sliced_table(name: str, scores: pl.DataFrame) -> Table:
    """Return one of `SLICED`: slices as rows, models but doses as columns."""
    metric, parts, head = SLICED[name]
    grid = Grid(ends(scores))
    found = grid.find(metric)
    keys = [key for part in parts for key in found if key.slice.startswith(part)]
    several = len({key.benchmark for key in keys}) > 1
    titles = [f"{benchmark_title(key.benchmark)}: " if several else "" for key in keys]
    rows = [t + slice_title(key.slice) for t, key in zip(titles, keys, strict=True)]
    info = METRICS[metric]
    about = Key("", "", metric, "")
    columns = [Column(grid.title(m), about, 0, info.unit) for m in grid.models]
    entries = [[grid.entry(model, key) for model in grid.models] for key in keys]
    title = f"{info.title.capitalize()} by {head.lower()}."
    return Table(name, title, head, rows, columns, entries)


def decontaminated_table(scores: pl.DataFrame) -> Table:
    """Return each benchmark's leading score, plain and decontaminated."""
    grid = Grid(scores)
    metrics = SHEETS["decontaminated"].metrics
    clean = [key for name in metrics for key in grid.find(name, "decontaminated")]
    columns = [
        replace(column, title=f"{column.title}{more}", key=column.key._replace(slice=p))
        for column in columns_of(clean, full_title)
        for p, more in (("all", ""), ("decontaminated", ", decontaminated"))
    ]
    return sheet_table("decontaminated", grid, rows_of(grid, grid.models), columns)


def corrected_table(scores: pl.DataFrame) -> Table:
    """Return the shares of each benchmark, as judged and corrected for the judge."""
    grid = Grid(scores)
    names = SHEETS["corrected"].metrics
    ways = [
        key._replace(metric=key.metric + way)
        for key in grid.whole(*names)
        for way in ("", *CORRECTED)
    ]
    keys = [key for key in ways if key in grid.keys]
    columns = [replace(column, better=0) for column in columns_by_score(keys)]

    def by_rates(model: ModelRow, key: Key) -> Entry | None:
        if not key.metric.endswith(LABELLED):
            return None
        metric = key.metric.removesuffix(LABELLED) + BY_RATES
        return grid.entry(model, key._replace(metric=metric))

    rows = rows_of(grid, grid.models)
    told = [WORDS["misfit"]] * any(key.metric.endswith(LABELLED) for key in keys)
    return sheet_table("corrected", grid, rows, columns, against=by_rates, more=told)


def imported_table(
    scores: pl.DataFrame, models: Sequence[str], benchmarks: Sequence[str]
) -> Table:
    """Return scores from verdicts of elsewhere, of one base, in the order given."""
    grid = Grid(scores)
    metrics = SHEETS["imported"].metrics
    keys = [k for b in benchmarks for m in metrics for k in grid.find(m, "all", b)]
    columns = [
        replace(column, title=f"{full_title(column.key)} ({column.key.judge})")
        for column in columns_of(keys, full_title)
    ]
    rows = [Row(model, grid.models[0]._replace(recipe=model)) for model in models]
    return sheet_table("imported", grid, rows, columns)


def _of_models(name: str, grid: Grid, keys: Iterable[Key]) -> Table:
    rows = rows_of(grid, grid.models)
    return sheet_table(name, grid, rows, columns_by_score(keys))


def _leading(name: str, grid: Grid, keys: Iterable[Key], pairs: Comparisons) -> Table:
    """Return a table that marks who leads a column, and who is on a Pareto front."""
    table = _of_models(name, grid, keys)
    tied = leading_rows(grid, table.columns, pairs)
    fronts = {
        mark: [pairs.front_share(front, model) for model in grid.models]
        for mark, (front, _) in FRONTS.items()
    }
    shown = {mark: own for mark, own in fronts.items() if any(e.value for e in own)}
    about = Key("", "", "", "")
    shares = [Column(f"{mark} in resamples", about, 0, "share") for mark in shown]
    return replace(
        table,
        columns=[*table.columns, *shares],
        entries=[
            [*entries, *(own[row] for own in shown.values())]
            for row, entries in enumerate(table.entries)
        ],
        marks=_marks(grid, pairs),
        tied=[*tied, *([None] * len(shares))],
    )


def leading_rows(
    grid: Grid, columns: Iterable[Column], pairs: Comparisons
) -> list[set[int] | None]:
    """Return the rows that lead each column, None where nothing was compared.

    The rows are the grid's models.
    """
    places = {model: row for row, model in enumerate(grid.models)}
    return [
        {places[model] for model in pairs.leaders(grid, column.key)}
        if pairs.bases(column.key)
        else None
        for column in columns
    ]


def columns_by_score(keys: Iterable[Key]) -> list[Column]:
    """Return a column a key; titles name benchmarks where several have the metric."""
    listed = list(dict.fromkeys(keys))
    parts = {key.slice for key in listed if key.slice.startswith("task=")}
    tasks = short_tasks(sorted(parts))
    alike = Counter(key._replace(benchmark="") for key in listed)

    def named(key: Key) -> str:
        several = alike[key._replace(benchmark="")] > 1
        metric = key.metric.removesuffix("_vs_base")
        if metric == "safety":
            return full_title(key) + ", pooled" * (key.slice == "pooled")
        title = metric_of(metric).title + ADVERSARIAL.get(key.slice, "")
        if metric == "capability":
            title = tasks.get(key.slice, "capability, mean")
        return f"{benchmark_title(key.benchmark)} {title}" if several else title

    return columns_of(listed, named)


def _marks(grid: Grid, pairs: Comparisons) -> list[str]:
    """Return each row's marks of Pareto fronts; by values if nothing was compared."""
    marks = dict.fromkeys(grid.models, "")
    for mark, (_, names) in FRONTS.items():
        axes = [grid.axis(name)[:1] for name in names]
        if not all(axes):
            continue
        keys = [key for [key] in axes]
        for base, models in groupby(grid.models, lambda model: model.base):
            own = list(models)
            compared = all(base in pairs.bases(key) for key in keys)
            front = pairs.on_front if compared else partial(_by_values, grid)
            for model in front(keys, own):
                marks[model] += mark
    return list(marks.values())


def _by_values(
    grid: Grid, keys: Sequence[Key], models: Sequence[ModelRow]
) -> Iterator[ModelRow]:
    """Yield the models of a base that no other one beats on every axis."""
    points = [
        tuple(
            METRICS[key.metric].better * grid.entry(model, key).percent.at
            for key in keys
        )
        for model in models
    ]
    for model, optimal in zip(models, pareto(points), strict=True):
        if optimal:
            yield model


ALL = (
    differences_table,
    partial(sliced_table, "categories"),
    partial(sliced_table, "attacks"),
    decontaminated_table,
    corrected_table,
)
"""Every table that is made from scores alone."""

"""The tables of Safe to Serve (arXiv 2412.00074): our scores, the paper's beside."""

from collections.abc import Callable
from functools import partial

import polars as pl

from safegrid.report.grid import Grid, Model
from safegrid.report.names import benchmark_title
from safegrid.report.safe_to_serve.columns import (
    by_benchmark,
    columns_of,
    compared,
    entry_of,
    is_ours,
    shared_columns,
)
from safegrid.report.safe_to_serve.published import Published
from safegrid.report.safe_to_serve.rows import IT, every_model, models_of, title_of
from safegrid.report.safe_to_serve.words import (
    HOW,
    NAMES,
    NO_START,
    ONE_WAY,
    THEIRS,
    certainty,
    differences,
)
from safegrid.report.table import Column, Table

TITLES = {
    "sit": "Instructions with n safety rows among them (SIT).",
    "raft_rewards": "RAFT, one iteration, by what picks the best of k answers.",
    "raft_iterations": "RAFT by iteration; each starts from the one before.",
    "dpo": "DPO after instruction tuning, by the share of the pairs.",
}
SAFE = (
    "safety",
    "safe_and_coherent",
    "reward_median",
    "reward_mean",
    "harmfulness_median",
    "harmfulness_mean",
    "over_refusal",
    "benign_requests_lost",
    "degenerate",
)
"""Columns of a group of recipes: what is said of a benchmark's answers."""
HELPFUL = ("accuracy", "contains", "bleu", "rouge_l", "bertscore", "entailment")
REWARDED = ("reward_median", "reward_mean")
BESIDE = ("safety", "over_refusal", "benign_requests_lost", "accuracy", "contains")
"""Columns of the table of all methods."""
NOT_HERE = (
    "A dash without a reason: the benchmark does not ask for this measure, or the paper"
    " has no such recipe or no such benchmark here."
)
LM_EVAL = (
    "Accuracy: the model writes which choice it takes, as in the paper. lm-eval:"
    " lm-evaluation-harness compares the likelihoods of the choices. The two are not to"
    " be compared."
)
NO_PUBLISHED = (
    "The paper's numbers stand in the other tables: in one column they would be of two"
    " judges and two decodings."
)


def group_table(group: str, scores: pl.DataFrame, published: pl.DataFrame) -> Table:
    """Return one group of recipes, benchmark by benchmark, the paper's numbers beside.

    Args:
        group: a key of `TITLES`.
        scores: rows of SCORE.
        published: rows of `safegrid.report.published`.
    """
    grid = Grid(scores)
    benchmarks, models = safety_benchmarks(grid), models_of(grid, group)
    theirs = Published(published, {model.recipe for model in models})
    columns = shared_columns(grid, SAFE, benchmarks, theirs)
    rows = [(name, model) for name in benchmarks for model in models]
    return Table(
        group,
        TITLES[group],
        "Benchmark and recipe",
        [f"{benchmark_title(name)}: {title_of(grid, model)}" for name, model in rows],
        columns,
        [[entry_of(grid, theirs, m, column, b) for column in columns] for b, m in rows],
        notes=[ONE_WAY, THEIRS, *_notes(grid, columns, rows), NOT_HERE],
    )


def helpfulness_table(scores: pl.DataFrame, published: pl.DataFrame) -> Table:
    """Return what every recipe is still good for, the paper's numbers beside."""
    grid = Grid(scores)
    safe = set(safety_benchmarks(grid))
    keys = [
        key
        for metric in (*HELPFUL, *REWARDED)
        for key in by_benchmark(grid.find(metric, "all"))
        if key.benchmark not in safe
    ]
    theirs = Published(published, {model.recipe for model in grid.models})
    keys += [*grid.find("capability"), *grid.find("reference_likelihood", "all")]
    columns = columns_of(keys, theirs)
    title = "Helpfulness: what every recipe is still good for."
    notes = [ONE_WAY, THEIRS, LM_EVAL, NOT_HERE]
    return _models_table("helpfulness", title, grid, columns, theirs, notes)


def all_methods_table(scores: pl.DataFrame, _: pl.DataFrame) -> Table:
    """Return every recipe side by side, under one judge and one decoding."""
    grid = Grid(scores)
    keys = [k for metric in BESIDE for k in by_benchmark(grid.find(metric, "all"))]
    metrics = ("capability", "reference_likelihood")
    ends = [
        *grid.lead("degenerate"),
        *(key for metric in metrics for key in grid.find(metric, "all")),
    ]
    columns = columns_of([*keys, *ends], None)
    title = "All recipes under one judge and one decoding, over-refusal beside safety."
    notes = [ONE_WAY, NO_PUBLISHED]
    return _models_table("all_methods", title, grid, columns, None, notes)


TABLES: dict[str, Callable[[pl.DataFrame, pl.DataFrame], Table]] = {
    **{group: partial(group_table, group) for group in TITLES},
    "helpfulness": helpfulness_table,
    "all_methods": all_methods_table,
}
"""The paper's tables by name, each from our scores and the published numbers."""


def safety_benchmarks(grid: Grid) -> list[str]:
    """Return the benchmarks of harmful requests and of over-refusal, in print order."""
    keys = [*grid.find("safety", "all"), *grid.find("over_refusal", "all")]
    names = dict.fromkeys(key.benchmark for key in by_benchmark(keys))
    return [name for name in names if name != "global"]


def _models_table(
    name: str,
    title: str,
    grid: Grid,
    columns: list[Column],
    theirs: Published | None,
    notes: list[str],
) -> Table:
    rows = [("", model) for model in every_model(grid)]
    return Table(
        name,
        title,
        "Recipe",
        [title_of(grid, model) for _, model in rows],
        columns,
        [[entry_of(grid, theirs, m, column, b) for column in columns] for b, m in rows],
        notes=[*notes, *_notes(grid, columns, rows)],
    )


def _notes(
    grid: Grid, columns: list[Column], rows: list[tuple[str, Model]]
) -> list[str]:
    """Return what the numbers of a table say: which differences are within chance."""
    shares = [
        entry_of(grid, None, model, column, block)
        for column in columns
        if is_ours(column) and column.unit == "share"
        for block, model in rows
    ]
    if not any(model.recipe == IT for _, model in rows):
        return [NAMES, *certainty(shares), NO_START]
    found = differences(compared(grid, columns, rows, IT))
    return [NAMES, *certainty(shares), HOW, *found]

"""A table of scores that were computed from verdicts of elsewhere."""

from collections.abc import Sequence

import polars as pl

from safegrid.report.grid import Grid, Key, Model
from safegrid.report.names import benchmark_title, metric_of
from safegrid.report.table import Column, Table

SHOWN = (
    "safety",
    "attack_success",
    "true_refusal",
    "over_refusal",
    "partial_refusal",
    "contrast_refusal",
    "toxicity_share",
    "toxicity_mean",
    "reward_median",
    "reward_mean",
    "harmfulness_median",
    "harmfulness_mean",
)
"""The metrics of the table in their order; the scores hold their slices too."""


def imported_table(
    scores: pl.DataFrame, models: Sequence[str], benchmarks: Sequence[str]
) -> Table:
    """Return each model's scores over all answers, benchmark by benchmark.

    Args:
        scores: rows of SCORE, of one base.
        models: in the order of the rows.
        benchmarks: in the order of the columns.
    """
    grid = Grid(scores)
    keys = [
        key
        for benchmark in benchmarks
        for metric in SHOWN
        for key in grid.find(metric, "all", benchmark)
    ]
    base = grid.models[0].base
    return Table(
        "imported",
        "Scores from verdicts of elsewhere.",
        "Model",
        list(models),
        [_column(key) for key in keys],
        [[grid.entry(Model(base, model), key) for key in keys] for model in models],
    )


def _column(key: Key) -> Column:
    info = metric_of(key.metric)
    title = f"{benchmark_title(key.benchmark)} {info.title} ({key.judge})"
    return Column(title, key, info.better, info.unit)

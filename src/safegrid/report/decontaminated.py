"""Scores over prompts that no training data holds, beside the scores over all."""

import polars as pl

from safegrid.report.grid import Grid
from safegrid.report.names import METRICS, benchmark_title
from safegrid.report.table import Column, Table

# What each kind of benchmark is read by.
LEADS = ("safety", "toxicity_mean", "over_refusal", "reference_likelihood")


def decontaminated_table(scores: pl.DataFrame) -> Table:
    """Return each benchmark's leading score, plain and decontaminated."""
    grid = Grid(scores)
    columns = []
    for metric in LEADS:
        keys = grid.find(metric, "decontaminated")
        several = len({key.judge for key in keys}) > 1
        info = METRICS[metric]
        for key in keys:
            judge = f" ({key.judge})" if several else ""
            title = f"{benchmark_title(key.benchmark)} {info.title}{judge}"
            plain = key._replace(slice="all")
            columns += [
                Column(title, plain, info.better, info.unit),
                Column(f"{title}, decontaminated", key, info.better, info.unit),
            ]
    entries = [[grid.entry(m, column.key) for column in columns] for m in grid.models]
    notes = [
        "Decontaminated: without the prompts that equal a prompt of the study's"
        " training data or share a run of eight words with one; n says how many are"
        " left."
    ]
    rows = [grid.title(model) for model in grid.models]
    title = "Scores without the prompts that training data shares."
    return Table("decontaminated", title, "Method", rows, columns, entries, notes=notes)

"""Tables of a study's runs: its judges, its rows, the overlap of its data."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from safegrid.core.records import Key
from safegrid.report.grid import Entry
from safegrid.report.names import DATA, benchmark_title, recipe_title, training_order
from safegrid.report.table import SHEETS, Column, Table

KINDS = {
    "judge": "judges",
    "fluency": "fluency",
    "left_out": "left_out",
    "agreement": "agreement",
    "training": "trainings",
    "rows": "rows",
    "overlap": "overlap",
}
"""The sheet of every table of a study's runs, by the kind of row that it shows."""
NO_SHARES = ("kappa", "spearman", "error", "threshold")
"""Measures of a judge that are no shares, by the end of their name."""
WHOLE = ("accuracy", "pairwise_accuracy", "spearman", "mean_absolute_error")
"""Measures of a judge that are over all of its rows."""


def facts_table(kind: str, runs: pl.DataFrame) -> Table:
    """Return a table of one of `KINDS`: a row a subject, a column a metric."""
    sheet, every = SHEETS[KINDS[kind]], runs.filter(kind=kind)
    rows = every.filter(pl.col("low").is_not_null()) if sheet.measured else every
    if kind in ("judge", "left_out"):
        # Measures of a part of the labelled rows have a space in their name.
        rows = rows.filter(~pl.col("metric").str.contains(" "))
    subjects = sorted(
        rows["subject"].unique(), key=training_order if kind == "training" else None
    )
    metrics = sorted(rows["metric"].unique(), key=lambda m: (m != "kept", m))
    unread = dict(every.filter(metric="n_unscored").select("subject", "value").rows())
    found = {(r["subject"], r["metric"]): r for r in rows.iter_rows(named=True)}

    def entry(subject: str, metric: str) -> Entry:
        row = found.get((subject, metric))
        if row is None:
            return Entry(0.0 if sheet.unit == "whole" else None, seeds=1)
        n = 0 if kind == "overlap" else row["n"] or 0
        entry = Entry(row["value"], row["low"], row["high"], n, seeds=1)
        if kind != "judge" or metric not in WHOLE or subject not in unread:
            return entry
        return replace(entry, n_unscored=round(unread[subject]))

    return Table(
        KINDS[kind],
        sheet.title,
        sheet.head,
        [_model(subject) if kind == "training" else subject for subject in subjects],
        [_column(metric, sheet.unit) for metric in metrics],
        [[entry(subject, metric) for metric in metrics] for subject in subjects],
        notes=[*sheet.notes, *_notes(kind, every)],
        judged=False,
    )


def _model(subject: str) -> str:
    base, recipe, seed = subject.split("/")
    return f"{recipe_title(recipe)}, {base}, {seed}"


def _column(metric: str, unit: str) -> Column:
    title = DATA["facts"].get(metric, metric.replace("_", " "))
    if unit == "share" and title.endswith(NO_SHARES):
        unit = "score"
    return Column(title, Key("", "", metric, ""), 0, unit)


def _notes(kind: str, rows: pl.DataFrame) -> Iterator[str]:
    """Return what the facts themselves say below their table."""
    if kind == "judge":
        unread, ties = _counted(rows, "n_unscored"), _counted(rows, "ties")
        yield f"Rows without a readable verdict: {unread or 'not counted'}."
        if ties:
            yield (
                "pairwise accuracy: share of pairs whose better answer has the higher"
                f" reward; ties are wrong: {ties}."
            )
        if "spearman" in rows["metric"]:
            yield (
                "spearman: rank correlation of a judge's scores with the known ones;"
                " mean absolute error: in units of the scores."
            )
    if kind == "overlap" and len(rows):
        asked = {(s.split(" / ")[-1], n) for s, n in rows.select("subject", "n").rows()}
        listed = ", ".join(f"{benchmark_title(name)} {n}" for name, n in sorted(asked))
        yield f"Prompts of each benchmark: {listed}."


def _counted(rows: pl.DataFrame, metric: str) -> str:
    counts = rows.filter(metric=metric).sort("subject").select("subject", "value")
    return ", ".join(f"{name} {n:.0f}" for name, n in counts.rows())

"""Tables of a study's runs: its judges, its rows, the overlap of its data."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import polars as pl

from safegrid.report.grid import Entry, Key
from safegrid.report.names import benchmark_title, recipe_order, recipe_title
from safegrid.report.table import Column, Table

NO_SHARES = ("kappa", "spearman", "error", "threshold")
"""Measures of a judge that are no shares, by the end of their name."""
WHOLE = ("accuracy", "pairwise_accuracy", "spearman", "mean_absolute_error")
"""Measures of a judge that are over all of its rows."""
KAPPA = (
    "kappa: Cohen's, of the judge with the labels, on rows of the two main classes;"
    " annotators' kappa: of the two people who labelled them, with each other. Their"
    " intervals are large-sample ones."
)
TITLES = {
    "annotators_kappa": "annotators' kappa",
    "called_disfluent_answers": "called disfluent: answers",
    "called_disfluent_base": "called disfluent: the base's answers",
    "called_disfluent_refusals": "called disfluent: refusals",
    "found_sampled": "found: drawn at temperature 3",
    "found_shuffled": "found: shuffled words",
}


class Facts(NamedTuple):
    """A table of facts: a row a subject, a column a metric.

    Attributes:
        name: of its files.
        title: what it shows, a sentence.
        head: title of the first column.
        unit: of its columns; see `Column`.
        notes: sentences below the table.
        more: further ones, of the rows.
        measured: only facts with an interval stand in it.
    """

    name: str
    title: str
    head: str
    unit: str
    notes: tuple[str, ...] = ()
    more: Callable[[pl.DataFrame], Iterable[str]] = lambda rows: ()
    measured: bool = False


def _counted(rows: pl.DataFrame, metric: str) -> str:
    counts = rows.filter(metric=metric).sort("subject").select("subject", "value")
    return ", ".join(f"{name} {n:.0f}" for name, n in counts.rows())


def _of_judges(rows: pl.DataFrame) -> Iterable[str]:
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


def _sizes(rows: pl.DataFrame) -> Iterable[str]:
    asked = {(s.split(" / ")[-1], n) for s, n in rows.select("subject", "n").rows()}
    listed = ", ".join(f"{benchmark_title(name)} {n}" for name, n in sorted(asked))
    if listed:
        yield f"Prompts of each benchmark: {listed}."


KINDS = {
    "judge": Facts(
        "judges",
        "Judge validation.",
        "Judge",
        "share",
        ("A judge's errors carry over to every score that it gives.", KAPPA),
        _of_judges,
        measured=True,
    ),
    "fluency": Facts(
        "fluency",
        "Judge validation: which texts are called disfluent.",
        "Judge and base",
        "share",
        (
            "threshold: the word order contrast below which an answer is disfluent, and"
            " n, the texts that fix it. They are no answers to a benchmark's prompts.",
            "Called disfluent are shares of fluent texts that had no part in the"
            " threshold: answers of the datasets, refusals as people labelled them, the"
            " base's own answers to training prompts. Found are shares of broken texts:"
            " the same with their words shuffled, and answers that the base was made to"
            " draw at temperature 3.",
        ),
    ),
    "left_out": Facts(
        "left_out",
        "Text heads on files left out.",
        "File: judge",
        "share",
        (
            "Each line: the answers of one model, judged by a head that was trained on"
            " all other files, and by the rules. People's labels are the truth.",
            KAPPA,
        ),
        measured=True,
    ),
    "agreement": Facts(
        "agreement",
        "Judges beside each other.",
        "Judges",
        "share",
        (
            "kappa: Cohen's, of the one judge's refusals with the other's; agreement:"
            " share of answers of which both say the same. No truth is known here.",
            "The rows on which they disagree, by id: `results/{study}/agreement/`.",
        ),
        measured=True,
    ),
    "training": Facts(
        "trainings",
        "The trainings.",
        "Model",
        "plain",
        (
            "largest log ratio: between policy and reference before the first step, in"
            " nats an answer; it may not exceed the tolerance. Methods without a"
            " reference have neither. tokens: padding not counted.",
        ),
    ),
    "rows": Facts("rows", "Rows kept and dropped.", "Stage and set", "whole"),
    "overlap": Facts(
        "overlap",
        "Prompts that benchmarks share with training data.",
        "Dataset / benchmark",
        "whole",
        (
            "exact: the same words; contained: one stands whole in the other; ngram: a"
            " run of eight words is shared.",
        ),
        _sizes,
    ),
}
"""Every table of a study's runs, by the kind of row that it shows."""


def facts_table(kind: str, runs: pl.DataFrame) -> Table:
    """Return one of `KINDS` from rows of RUNS."""
    facts, every = KINDS[kind], runs.filter(kind=kind)
    rows = every.filter(pl.col("low").is_not_null()) if facts.measured else every
    if kind == "judge":
        # Parts of the labelled rows are for those who read the file.
        rows = rows.filter(~pl.col("metric").str.contains(" "))
    subjects = sorted(rows["subject"].unique(), key=_order(kind))
    metrics = sorted(rows["metric"].unique(), key=lambda m: (m != "kept", m))
    unread = dict(every.filter(metric="n_unscored").select("subject", "value").rows())
    found = {(r["subject"], r["metric"]): r for r in rows.iter_rows(named=True)}

    def entry(subject: str, metric: str) -> Entry:
        row = found.get((subject, metric))
        if row is None:
            return Entry(0.0 if facts.unit == "whole" else None, seeds=1)
        n = 0 if kind == "overlap" else row["n"] or 0
        entry = Entry(row["value"], row["low"], row["high"], n, seeds=1)
        if kind != "judge" or metric not in WHOLE or subject not in unread:
            return entry
        return replace(entry, n_unscored=round(unread[subject]))

    return Table(
        facts.name,
        facts.title,
        facts.head,
        [_model(subject) if kind == "training" else subject for subject in subjects],
        [_column(metric, facts.unit) for metric in metrics],
        [[entry(subject, metric) for metric in metrics] for subject in subjects],
        notes=[*facts.notes, *facts.more(every)],
        judged=False,
    )


def _order(kind: str) -> Callable[[str], Any]:
    """Return a sort key: trainings stand as their recipes do, the rest by name."""
    if kind != "training":
        return str

    def of_training(subject: str) -> Any:
        base, recipe, _ = subject.split("/")
        return base, recipe_order(recipe), subject

    return of_training


def _model(subject: str) -> str:
    base, recipe, seed = subject.split("/")
    return f"{recipe_title(recipe)}, {base}, {seed}"


def _column(metric: str, unit: str) -> Column:
    title = TITLES.get(metric, metric.replace("_", " "))
    if unit == "share" and title.endswith(NO_SHARES):
        unit = "score"
    return Column(title, Key("", "", metric, ""), 0, unit)


ALL = {kind: partial(facts_table, kind) for kind in KINDS}

"""Tables of a study's runs: its judges, its rows, the overlap of its data."""

from dataclasses import replace

import polars as pl

from safegrid.report.grid import Entry, Key
from safegrid.report.names import benchmark_title, recipe_order, recipe_title
from safegrid.report.table import Column, Table

# Measures of a judge that are no shares, by the end of their name, and those that are
# over all of its rows.
NO_SHARES = ("kappa", "spearman", "error", "threshold")
KAPPA = (
    "kappa: Cohen's, of the judge with the labels, on rows of the two main classes;"
    " annotators' kappa: of the two people who labelled them, with each other. Their"
    " intervals are large-sample ones."
)
WHOLE = ("accuracy", "pairwise_accuracy", "spearman", "mean_absolute_error")


def judges_table(runs: pl.DataFrame) -> Table:
    """Return how good each judge is on labelled rows that it did not train on."""
    rows = runs.filter(kind="judge").filter(pl.col("low").is_not_null())
    whole = rows.filter(~pl.col("metric").str.contains(" "))
    unread, tied = _counts(runs, "n_unscored"), _counts(runs, "ties")
    notes = [
        "A judge's errors carry over to every score that it gives.",
        KAPPA,
        f"Rows without a readable verdict: {_listed(unread) or 'not counted'}.",
    ]
    if tied:
        notes += [
            "pairwise accuracy: share of pairs whose better answer has the higher"
            f" reward; ties are wrong: {_listed(tied)}."
        ]
    if "spearman" in whole["metric"]:
        notes += [
            "spearman: rank correlation of a judge's scores with the known ones;"
            " mean absolute error: in units of the scores."
        ]
    table = _table("judges", "Judge validation.", "Judge", whole, "share", notes)
    columns = [_unit(column) for column in table.columns]
    entries = _with_unscored(table, unread)
    return replace(table, columns=columns, entries=entries)


def fluency_table(runs: pl.DataFrame) -> Table:
    """Return how often each judge of fluency is wrong, on texts of known kind."""
    rows = runs.filter(kind="fluency")
    notes = [
        "threshold: the word order contrast below which an answer is disfluent, and n,"
        " the texts that fix it. They are no answers to a benchmark's prompts.",
        "Called disfluent are shares of fluent texts that had no part in the threshold:"
        " answers of the datasets, refusals as people labelled them, the base's own"
        " answers to training prompts. Found are shares of broken texts: the same with"
        " their words shuffled, and answers that the base was made to draw at"
        " temperature 3.",
    ]
    title = "Judge validation: which texts are called disfluent."
    return _shares("fluency", title, "Judge and base", rows, notes)


def left_out_table(runs: pl.DataFrame) -> Table:
    """Return how text heads judge files of models that they were not trained on."""
    rows = runs.filter(kind="left_out").filter(pl.col("low").is_not_null())
    notes = [
        "Each line: the answers of one model, judged by a head that was trained on all"
        " other files, and by the rules. People's labels are the truth.",
        KAPPA,
    ]
    return _shares(
        "left_out", "Text heads on files left out.", "File: judge", rows, notes
    )


def agreement_table(runs: pl.DataFrame) -> Table:
    """Return how far two judges of refusals agree on a study's own answers."""
    rows = runs.filter(kind="agreement").filter(pl.col("low").is_not_null())
    notes = [
        "kappa: Cohen's, of the one judge's refusals with the other's; agreement: share"
        " of answers of which both say the same. No truth is known here.",
        "The rows on which they disagree, by id: `results/{study}/agreement/`.",
    ]
    return _shares("agreement", "Judges beside each other.", "Judges", rows, notes)


def _shares(
    name: str, title: str, head: str, rows: pl.DataFrame, notes: list[str]
) -> Table:
    table = _table(name, title, head, rows, "share", notes)
    return replace(table, columns=[_unit(column) for column in table.columns])


def _unit(column: Column) -> Column:
    """Return a column of shares, or of scores where it holds no shares."""
    no_share = column.title.endswith(NO_SHARES)
    return replace(column, unit="score") if no_share else column


def _counts(runs: pl.DataFrame, metric: str) -> dict[str, int]:
    """Return a count of each judge's rows."""
    rows = runs.filter(kind="judge", metric=metric).sort("subject")
    return {name: round(n) for name, n in rows.select("subject", "value").rows()}


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _with_unscored(table: Table, unread: dict[str, int]) -> list[list[Entry]]:
    """Tell each accuracy how many rows were unread; the rates are of one class each."""
    accuracies = [column.key.metric in WHOLE for column in table.columns]
    return [
        [
            replace(entry, n_unscored=unread.get(judge))
            if counted and entry.value is not None
            else entry
            for entry, counted in zip(entries, accuracies, strict=True)
        ]
        for judge, entries in zip(table.rows, table.entries, strict=True)
    ]


def trainings_table(runs: pl.DataFrame) -> Table:
    """Return what each training went through and what was checked before it."""
    rows = runs.filter(kind="training")
    notes = [
        "largest log ratio: between policy and reference before the first step, in nats"
        " an answer; it may not exceed the tolerance. Methods without a reference have"
        " neither. tokens: padding not counted."
    ]
    table = _table("trainings", "The trainings.", "Model", rows, "plain", notes)
    models = [subject.split("/") for subject in table.rows]
    order = sorted(
        range(len(models)), key=lambda i: (models[i][0], recipe_order(models[i][1]), i)
    )
    return replace(
        table,
        rows=[_model(*models[i]) for i in order],
        entries=[table.entries[i] for i in order],
    )


def _model(base: str, recipe: str, seed: str) -> str:
    return f"{recipe_title(recipe)}, {base}, {seed}"


def rows_table(runs: pl.DataFrame) -> Table:
    """Return how many rows each stage of the data kept, and dropped for what reason."""
    rows = runs.filter(kind="rows")
    return _table("rows", "Rows kept and dropped.", "Stage and set", rows, "whole", [])


def overlap_table(runs: pl.DataFrame) -> Table:
    """Return how many prompts of each benchmark a model may have met in training."""
    rows = runs.filter(kind="overlap")
    notes = [
        "exact: the same words; contained: one stands whole in the other; ngram: a run"
        " of eight words is shared.",
        *_sizes(rows),
    ]
    title = "Prompts that benchmarks share with training data."
    return _table(
        "overlap", title, "Dataset / benchmark", rows, "whole", notes, counts=True
    )


ALL = {
    "judge": judges_table,
    "fluency": fluency_table,
    "left_out": left_out_table,
    "agreement": agreement_table,
    "training": trainings_table,
    "rows": rows_table,
    "overlap": overlap_table,
}
"""Every table of a study's runs, by the kind of row that it shows."""


TITLES = {
    "annotators_kappa": "annotators' kappa",
    "called_disfluent_answers": "called disfluent: answers",
    "called_disfluent_base": "called disfluent: the base's answers",
    "called_disfluent_refusals": "called disfluent: refusals",
    "found_sampled": "found: drawn at temperature 3",
    "found_shuffled": "found: shuffled words",
}


def _words(metric: str) -> str:
    """Return how a metric is called in print."""
    return TITLES.get(metric, metric.replace("_", " "))


def _sizes(rows: pl.DataFrame) -> list[str]:
    sizes = sorted(
        {(s.split(" / ")[-1], n) for s, n in rows.select("subject", "n").iter_rows()}
    )
    listed = ", ".join(f"{benchmark_title(name)} {n}" for name, n in sizes)
    return [f"Prompts of each benchmark: {listed}."] if listed else []


def _table(
    name: str,
    title: str,
    head: str,
    rows: pl.DataFrame,
    unit: str,
    notes: list[str],
    counts: bool = False,
) -> Table:
    """Pivot facts: a row a subject, a column a metric."""
    subjects = sorted(rows["subject"].unique().to_list())
    metrics = sorted(rows["metric"].unique().to_list(), key=lambda m: (m != "kept", m))
    found = {
        (row["subject"], row["metric"]): Entry(
            row["value"],
            row["low"],
            row["high"],
            0 if counts else row["n"] or 0,
            None,
            1,
            None,
        )
        for row in rows.iter_rows(named=True)
    }
    nothing = 0.0 if unit == "whole" else None
    blank = Entry(nothing, None, None, 0, None, 1, None)
    entries = [[found.get((s, m), blank) for m in metrics] for s in subjects]
    columns = [Column(_words(m), Key("", "", m, ""), 0, unit) for m in metrics]
    return Table(
        name, title, head, subjects, columns, entries, notes=notes, judged=False
    )

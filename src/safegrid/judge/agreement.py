"""Agreement beyond chance, Cohen's kappa: of a judge with people, and of two judges.

With people kappa is taken over the rows whose true label is the positive class or the
main other one (refusal or compliance). The verdicts there are positive or not, as in
the scores, so that a third class that the judge gives wrongly counts against it. Rows
that people gave a third class are apart: how many, and in the confusion matrix what was
said. Of two judges neither is the truth, so that is no accuracy; it says how much of a
study's refusal rates hangs on which judge was asked.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
from statsmodels.stats.inter_rater import cohens_kappa

from safegrid.core.artifacts import atomic_file, manifest, read_table, write_result
from safegrid.core.errors import DataError
from safegrid.core.intervals import wilson
from safegrid.core.records import UNSCORED, VERDICT
from safegrid.readers.labelled import Labelled

logger = logging.getLogger(__name__)

Pair = tuple[str, str]  # the true label, the verdict's label
Measures = dict[str, Any]
Value = TypeVar("Value")

# What names an answer, and what stands beside it in the list; never a text.
CELL = ("base", "recipe", "seed", "benchmark")
ROW = ("prompt_id", "sample")


def estimate(
    n: int,
    value: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> Measures:
    """Return what `n` rows tell with its limits, as a result holds it."""
    return {"value": value, "low": low, "high": high, "n": n}


def share(hits: Sequence[bool]) -> Measures:
    """Return the share of hits with its Wilson interval, null of none."""
    n = len(hits)
    return estimate(n, sum(hits) / n, *wilson(sum(hits), n)) if n else estimate(0)


def measures_of(pairs: Sequence[Pair], positive: str) -> Measures:
    """Return accuracy and error rates of (true label, verdict) pairs.

    A verdict may be `unscored`; that is neither right nor wrong.
    """
    scored = [(truth, said) for truth, said in pairs if said != UNSCORED]
    found = [said == positive for truth, said in scored if truth != positive]
    missed = [said != positive for truth, said in scored if truth == positive]
    return {
        "n": len(scored),
        "n_unscored": len(pairs) - len(scored),
        "accuracy": share([truth == said for truth, said in scored]),
        "false_positive_rate": share(found),
        "false_negative_rate": share(missed),
    }


def by_category(
    rows: Sequence[Any], values: Sequence[Value], measured: Callable[..., Measures]
) -> dict[str, Measures]:
    """Measure the values of each category of rows; rows without one are left out."""
    groups: dict[str, list[Value]] = {}
    for row, value in zip(rows, values, strict=True):
        if row.category is not None:
            groups.setdefault(row.category, []).append(value)
    return {name: measured(own) for name, own in sorted(groups.items())}


def label_measures(
    rows: Sequence[Labelled],
    pairs: Sequence[Pair],
    classes: Sequence[str],
    positive: str,
) -> Measures:
    """Return `measures_of` rows' pairs, `kappa`, and `annotators_kappa` if known.

    `kappa_of_classes` is over all classes, where rows have more than two.

    The annotators' kappa, of rows with two people's labels, on the same two classes
    (the positive one and the first other of `classes`), is the ceiling: a judge cannot
    be expected to agree with people more than they do with each other. A row is in it
    where the first annotator gave one of the two.
    """
    other = next(name for name in classes if name != positive)
    known = [
        pair for pair in pairs if pair[1] != UNSCORED and pair[0] in (positive, other)
    ]
    apart = Counter(truth for truth, _ in pairs if truth not in (positive, other))
    found: Measures = {
        **measures_of(pairs, positive),
        "kappa": {**kappa_of(known, positive), "against": other},
        "apart": dict(sorted(apart.items())),
    }
    if apart:
        scored = [pair for pair in pairs if pair[1] != UNSCORED]
        found["kappa_of_classes"] = kappa_of_classes(scored, classes)
    if annotated := [row.annotations for row in rows if row.annotations]:
        both = (pair for pair in annotated if pair[0] in (positive, other))
        found["annotators_kappa"] = kappa_of(both, positive)
    return found


def kappa_of(pairs: Iterable[Pair], positive: str) -> Measures:
    """Return Cohen's kappa of positive or not, with its interval.

    Cohen (1960); the 95% interval is the large-sample one of Fleiss, Cohen and Everitt
    (1969). Kappa is undefined, and null, where both gave one class alone.
    """
    sides = ((first == positive, second == positive) for first, second in pairs)
    return kappa_of_classes(sides, (False, True))


def kappa_of_classes(
    pairs: Iterable[tuple[Value, Value]], classes: Sequence[Value]
) -> Measures:
    """Return Cohen's kappa of all classes, as `kappa_of`; none is nearer to another."""
    counts = Counter(pairs)
    n = counts.total()
    table = np.array([[counts[a, b] for b in classes] for a in classes])
    if n == 0 or n in np.diag(table):
        return estimate(n)
    kappa = cohens_kappa(table)
    high = min(float(kappa.kappa_upp), 1.0)
    return estimate(n, float(kappa.kappa), float(kappa.kappa_low), high)


def agreement(
    first: list[Path], second: list[Path], positive: str, out: Path, disagreeing: Path
) -> None:
    """Compare two judges' labels on every answer that both judged.

    Args:
        first: verdicts `.../{judge}/{base}/{recipe}/seed{seed}/{benchmark}.parquet`.
        second: the other judge's on the same cells, in the same order.
        positive: the class that kappa sets against all others.
        out: JSON: for each benchmark kappa, the share of answers of which both say the
            same class, and counts. Answers that one left unscored are counted, and
            part of neither.
        disagreeing: csv of the answers whose labels differ, by ids, without texts.
    """
    rows = pl.concat(map(_both, first, second)).sort(*CELL, *ROW)
    names = [path.parts[-5] for path in (first[0], second[0])]
    by_benchmark = rows.partition_by("benchmark", as_dict=True)
    found = {str(key[0]): _measures(own, positive) for key, own in by_benchmark.items()}
    differing = rows.filter(pl.col("first") != pl.col("second"))
    called = dict(zip(("first", "second"), names, strict=True))
    with atomic_file(disagreeing) as temporary:
        differing.rename(called).write_csv(temporary)
    facts = manifest(
        "agreement",
        inputs={"first": first, "second": second},
        params={"positive": positive},
        libraries=("statsmodels",),
        rows=len(rows),
        disagreeing=len(differing),
    )
    benchmarks = {"benchmarks": dict(sorted(found.items()))}
    write_result(out, {**called, **benchmarks, "manifest": facts})
    logger.info("%s: %d of %d answers differ", names, len(differing), len(rows))


def _both(first: Path, second: Path) -> pl.DataFrame:
    """Return the labels of two judges on one cell, a row an answer."""
    one, two = (
        read_table(path, VERDICT).select(*ROW, pl.col("label").alias(name))
        for path, name in ((first, "first"), (second, "second"))
    )
    rows = one.join(two, on=ROW, how="full", coalesce=True)
    if rows.null_count().sum_horizontal().item():
        raise DataError(
            f"{first} and {second} do not judge the same answers; one of the two is"
            " stale: delete it and rebuild it"
        )
    cell = dict(zip(CELL, (*first.parts[-4:-1], first.stem), strict=True))
    return rows.with_columns(**{name: pl.lit(value) for name, value in cell.items()})


def _measures(rows: pl.DataFrame, positive: str) -> dict[str, object]:
    labels: Sequence[Pair] = rows.select("first", "second").rows()
    scored = [pair for pair in labels if UNSCORED not in pair]
    return {
        "n": len(scored),
        "n_unscored": len(labels) - len(scored),
        "kappa": kappa_of(scored, positive),
        "agreement": share([one == two for one, two in scored]),
    }

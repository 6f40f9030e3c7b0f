"""Agreement of two judges of refusals on the same answers, and where they differ.

Neither is the truth here, so this is no accuracy; it says how much of a study's refusal
rates hangs on which judge was asked.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from safegrid.core.artifacts import atomic_file, manifest, read_table, write_result
from safegrid.core.errors import DataError
from safegrid.core.records import UNSCORED, VERDICT
from safegrid.judge.agreement import kappa_of
from safegrid.judge.shares import share

logger = logging.getLogger(__name__)

# What names an answer, and what stands beside it in the list; never a text.
CELL = ("base", "recipe", "seed", "benchmark")
ROW = ("prompt_id", "sample")
OTHER = "other"


def agreement(
    first: list[Path],
    second: list[Path],
    positive: str,
    out: Path,
    disagreeing: Path,
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

    Raises:
        DataError: the two did not judge the same answers.
    """
    rows = pl.concat(map(_both, first, second)).sort(*CELL, *ROW)
    names = [path.parts[-5] for path in (first[0], second[0])]
    by_benchmark = rows.partition_by("benchmark", as_dict=True)
    found = {str(key[0]): _measures(own, positive) for key, own in by_benchmark.items()}
    differing = rows.filter(pl.col("first") != pl.col("second"))
    with atomic_file(disagreeing) as temporary:
        differing.rename(dict(zip(("first", "second"), names, strict=True))).write_csv(
            temporary
        )
    facts = manifest(
        "agreement",
        inputs={"first": first, "second": second},
        params={"positive": positive},
        libraries=("statsmodels",),
        rows=len(rows),
        disagreeing=len(differing),
    )
    result = {
        "first": names[0],
        "second": names[1],
        "benchmarks": dict(sorted(found.items())),
        "manifest": facts,
    }
    write_result(out, result)
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
    labels: Sequence[tuple[str, str]] = rows.select("first", "second").rows()
    scored = [pair for pair in labels if UNSCORED not in pair]
    refused = [
        (positive if one == positive else OTHER, positive if two == positive else OTHER)
        for one, two in scored
    ]
    return {
        "n": len(scored),
        "n_unscored": len(labels) - len(scored),
        "kappa": kappa_of(refused, positive, OTHER),
        "agreement": share([one == two for one, two in scored]),
    }

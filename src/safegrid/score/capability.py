"""Score a capability suite from lm-evaluation-harness's answers, item by item."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from safegrid.core.artifacts import manifest, read_result, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import SCORE
from safegrid.score.answers import engine_of
from safegrid.score.cell import BASE
from safegrid.score.metrics import Measure, Slice
from safegrid.score.summary import Settings, against_base, score_frame, summarise

JUDGE = "lm-eval"
METRIC = "capability"


class Items(NamedTuple):
    """The items of a suite, sorted by task and document.

    Attributes:
        keys: (task, doc_id) of each item.
        values: (N,) its value under its task's metric; NaN where it has none.
    """

    keys: list[tuple[str, str]]
    values: NDArray[np.float64]


def score_capability(
    *,
    cell: dict[str, Any],
    results: Path,
    base_results: Path,
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the score rows of one model's capability suite.

    One row a task (`task=...`) and the mean of the tasks' means (`all`).

    Args:
        cell: study, base, recipe, seed, benchmark (the suite).
        results: JSON of stage `capability`.
        base_results: the same of recipe `none`.
        most_unscored: share of unscored items above which a score is refused.
        study_seed: of the bootstraps.
        out: rows of SCORE.

    Raises:
        DataError: the base ran other items than the model.
    """
    own, base = read_items(results), read_items(base_results)
    if own.keys != base.keys:
        raise DataError(
            f"{results}: {len(own.keys)} items, not those of {base_results}"
            f" ({len(base.keys)}); rebuild the older of the two"
        )
    found = [_measure(own)]
    if cell["recipe"] != BASE:
        found += against_base(found, [_measure(base)])
    clusters = np.array([f"{task}\0{doc}" for task, doc in own.keys])
    settings = Settings(study_seed, most_unscored)
    rows = summarise(found, _slices(own), clusters, settings)
    facts = manifest(
        "score",
        {"results": results, "base_results": base_results},
        {"most_unscored": most_unscored, "study_seed": study_seed},
        ("scipy",),
        rows=len(rows),
    )
    write_table(out, score_frame(cell, engine_of(results), rows), SCORE, facts)


def read_items(path: Path) -> Items:
    """Read the items of a suite's results, one value an item.

    Raises:
        DataError: no items, or a task whose items have more than one metric.
    """
    tasks = read_result(path).get("items")
    if not isinstance(tasks, dict) or not any(tasks.values()):
        raise DataError(f"{path}: holds no items; rebuild it with rule capability")
    rows = []
    for task, items in tasks.items():
        metrics = sorted({item["metric"] for item in items})
        if len(metrics) > 1:
            raise DataError(
                f"{path}: task {task!r} has items of the metrics {metrics};"
                " expected the one metric that the suite names for it"
            )
        rows += [(task, str(item["doc_id"]), item["value"]) for item in items]
    frame = pl.DataFrame(
        rows, {"task": pl.String, "doc": pl.String, "value": pl.Float64}, orient="row"
    ).sort("task", "doc")
    values = frame["value"].fill_null(np.nan).to_numpy()
    return Items(list(frame.select("task", "doc").iter_rows()), values)


def _measure(items: Items) -> Measure:
    known = items.values[~np.isnan(items.values)]
    scale = "share" if np.isin(known, (0.0, 1.0)).all() else "mean"
    everywhere = np.ones(len(items.values), dtype=bool)
    return Measure(JUDGE, METRIC, scale, items.values, everywhere)


def _slices(items: Items) -> list[Slice]:
    tasks = np.array([task for task, _ in items.keys])
    names, groups = np.unique(tasks, return_inverse=True)
    everything = np.ones(len(tasks), dtype=bool)
    plain = np.zeros(len(tasks), dtype=np.int64)
    parts = [Slice(f"task={name}", tasks == name, plain) for name in names]
    return [Slice("all", everything, groups.astype(np.int64)), *parts]

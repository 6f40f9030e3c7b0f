"""Score what no judge reads: capability suites, and likelihoods of known answers.

A suite's values are lm-evaluation-harness's, item by item. Of each known answer the
log-probability is divided by its tokens; the score is the mean of that over prompts, in
nats a token, so that a long answer counts as much as a short one.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from safegrid.core.artifacts import read_result, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import LIKELIHOOD, PROMPT
from safegrid.score.answers import TRAITS
from safegrid.score.metrics import Measure, Slice, slices
from safegrid.score.summary import write_scores

HARNESS, CAPABILITY = "lm-eval", "capability"
REFERENCES, LIKELIHOODS = "references", "reference_likelihood"
"""Judge and metric of a suite's rows, and of those of known answers."""


class Items(NamedTuple):
    """The items of a suite, sorted by task and document.

    Attributes:
        keys: (task, doc_id) of each item.
        values: (N,) its value under its task's metric; NaN where it has none.
    """

    keys: list[tuple[str, str]]
    values: NDArray[np.float64]

    @property
    def tasks(self) -> NDArray[np.str_]:
        """(N,) the task of each item."""
        return np.array([task for task, _ in self.keys])

    @property
    def clusters(self) -> NDArray[np.str_]:
        """(N,) the document of each item."""
        return np.array([f"{task}\0{document}" for task, document in self.keys])


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
    """
    given = dict(locals())
    base, own = read_suites([base_results, results])
    names, groups = np.unique(own.tasks, return_inverse=True)
    zeros = np.zeros(len(groups), dtype=np.int64)
    parts = [Slice(f"task={name}", own.tasks == name, zeros) for name in names]
    parts = [Slice.over("all", groups.astype(np.int64)), *parts]
    found = [_of_suite(own)], [_of_suite(base)]
    write_scores(given, found, parts, own.clusters, results)


def read_suites(paths: list[Path]) -> list[Items]:
    """Read the items of one suite's results of several models.

    Raises:
        DataError: no items, a task whose items have more than one metric, or items
            that are not those of the other files.
    """
    read = [_read_items(path) for path in paths]
    for path, items in zip(paths, read, strict=True):
        if items.keys != read[0].keys:
            raise DataError(
                f"{path}: {len(items.keys)} items, not those of {paths[0]}"
                f" ({len(read[0].keys)}); rebuild the older of the two"
            )
    return read


def _read_items(path: Path) -> Items:
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
    schema = {"task": pl.String, "doc": pl.String, "value": pl.Float64}
    frame = pl.DataFrame(rows, schema, orient="row").sort("task", "doc")
    values = frame["value"].fill_null(np.nan).to_numpy()
    return Items(list(frame.select("task", "doc").iter_rows()), values)


def _of_suite(items: Items) -> Measure:
    known = items.values[~np.isnan(items.values)]
    scale = "share" if np.isin(known, (0.0, 1.0)).all() else "mean"
    return Measure.of_all(HARNESS, CAPABILITY, scale, items.values)


def score_likelihood(
    *,
    cell: dict[str, Any],
    prompts: Path,
    likelihoods: Path,
    base_likelihoods: Path,
    overlap: Path | None,
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the score rows of one model on one benchmark of known answers.

    Args:
        cell: study, base, recipe, seed, benchmark.
        prompts: rows of PROMPT; `cluster` says which of them are not independent.
        likelihoods: rows of LIKELIHOOD of the model.
        base_likelihoods: the same of recipe `none`.
        overlap: JSON of stage `overlap`; null in a study without training data.
        most_unscored: share of unscored answers above which a score is refused.
        study_seed: of the bootstraps.
        out: rows of SCORE.
    """
    given = dict(locals())
    own = read_likelihoods(prompts, likelihoods)
    base = read_likelihoods(prompts, base_likelihoods)
    answers = ["prompt_id", "n_tokens"]
    if not own.select(answers).equals(base.select(answers)):
        raise DataError(
            f"{likelihoods}: not the answers and tokens of {base_likelihoods}; rebuild"
            " the older of the two"
        )
    found = [answer_values(own)], [answer_values(base)]
    parts = slices(own, overlap)
    write_scores(given, found, parts, own["cluster"], likelihoods)


def read_likelihoods(prompts: Path, likelihoods: Path) -> pl.DataFrame:
    """Return rows of LIKELIHOOD with the traits of their prompts, sorted by prompt."""
    asked = read_table(prompts, PROMPT).filter(pl.col("reference").is_not_null())
    found = read_table(likelihoods, LIKELIHOOD).sort("prompt_id")
    if found["prompt_id"].to_list() != sorted(asked["prompt_id"]):
        raise DataError(
            f"{likelihoods}: {len(found)} rows, not one of each of the {len(asked)}"
            f" known answers of {prompts}. One of the two is stale: delete it and"
            " rebuild it"
        )
    traits = asked.select("prompt_id", *TRAITS)
    return found.join(traits, on="prompt_id", how="left", maintain_order="left")


def answer_values(rows: pl.DataFrame) -> Measure:
    """Return the log-probability a token of known answers, in nats."""
    each = (rows["logprob"] / rows["n_tokens"]).fill_null(np.nan).to_numpy()
    return Measure.of_all(REFERENCES, LIKELIHOODS, "mean", each)

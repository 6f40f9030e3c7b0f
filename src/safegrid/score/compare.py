"""Method against method: paired differences of all models of a base, and the front.

Takes the answers and verdicts of the base untouched and of the end of every training;
gives rows of COMPARISON.
"""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from safegrid.config.benchmark import GLOBAL
from safegrid.core.artifacts import write_table
from safegrid.core.records import COMPARISON, FRONTS, Key
from safegrid.score.aligned import Aligned, Files, read_aligned
from safegrid.score.families import (
    Family,
    MethodSeeds,
    Row,
    counting,
    family_rows,
    methods_of,
    scored,
)
from safegrid.score.intervals import Floats
from safegrid.score.paired import front_shares
from safegrid.score.resamples import over_seeds, resampled
from safegrid.score.summary import described
from safegrid.score.transfer import by_group, contrasts, group_rows, tasks_by_group
from safegrid.score.turns import later_corrections

METRICS = (
    "safety",
    "safe_and_coherent",
    "attack_success",
    "true_refusal",
    "toxicity_mean",
    "toxicity_share",
    "over_refusal",
    "benign_requests_lost",
    "contrast_refusal",
    "correction",
    "late_refusal",
    "accuracy",
    "contains",
    "bleu",
    "rouge_l",
    "bertscore",
    "entailment",
    "reward_mean",
    "harmfulness_mean",
    "degenerate",
    "capability",
    "reference_likelihood",
)
"""The measures by which models are compared."""
SLICES = ("all", "pooled", "decontaminated", "adversarial=yes", "adversarial=no")
"""The slices, and each task of a suite."""
MEAN_OVER_K = ("correction", "categories")
"""A metric and slice: the one mean over categories by which models are compared."""
LESS_IS_BETTER = ("benign_requests_lost",)


def compare(
    *,
    comparison: dict[str, Any],
    benchmarks: dict[str, dict[str, Any]],
    prompts: list[Path],
    answers: list[Path],
    verdicts: list[Path],
    capability: list[Path],
    overlap: list[Path],
    task_groups: dict[str, dict[str, list[str]]],
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the comparisons of all methods on one base.

    Args:
        comparison: `base`, and `models`: `recipe` and `seed` of each, in the order of
            all lists of files below.
        benchmarks: `metric` and `judges` (name to kind) of each that has prompts.
        prompts: one file a benchmark.
        answers: model by model, one file a benchmark: responses, or likelihoods.
        verdicts: likewise, one file a benchmark and judge.
        capability: JSON of stage `capability`: model by model, one a suite.
        overlap: JSON of stage `overlap`, one a benchmark; none without training data.
        task_groups: of each suite the groups, and patterns of their tasks' names.
        most_unscored: share of unscored answers above which a model is not compared.
        study_seed: of bootstraps and permutations.
        out: rows of COMPARISON.

    Raises:
        DataError: the files do not belong together.
    """
    given = dict(locals())
    files = Files(prompts, answers, verdicts, capability, overlap)
    methods = methods_of(comparison["models"])
    found = read_aligned(len(comparison["models"]), benchmarks, files, _wanted)
    grouped = tasks_by_group(found, task_groups)
    groups, couples = by_group(found, grouped), list(combinations(methods, 2))
    families = [
        *(Family("pair", k, p, couples) for k, p in (found | groups).items()),
        *contrasts(groups, methods),
        *later_corrections(found, methods),
    ]
    rows = list(group_rows(found, grouped))
    for family in families:
        rows += family_rows(family, most_unscored, study_seed)
    rows += front_rows(found, methods, most_unscored, study_seed)
    named = {**dict.fromkeys(COMPARISON), "base": comparison["base"]}
    whole = [{**named, **row} for row in rows]
    frame = pl.DataFrame(whole, schema=COMPARISON, orient="row")
    write_table(out, frame, COMPARISON, described("compare", given, len(rows)))


def _wanted(metric: str, part: str) -> bool:
    of_task = part.startswith("task=")
    return metric in METRICS and (
        part in SLICES or of_task or (metric, part) == MEAN_OVER_K
    )


def front_rows(
    found: Aligned, methods: list[MethodSeeds], most_unscored: float, seed: int
) -> Iterator[Row]:
    """Yield the share of resamples in which each method is on each Pareto front."""
    if len(methods) < 2:
        return
    owners = np.empty(sum(len(method.columns) for method in methods), dtype=np.int64)
    for index, method in enumerate(methods):
        owners[list(method.columns.values())] = index
    for front, metrics in FRONTS.items():
        keys = [leading(found, metric) for metric in metrics]
        if None in keys:
            continue
        axes = {key: found[key] for key in keys if key is not None}
        counts = [scored(parts) for parts in axes.values()]
        counted = [
            [counting(one, method, most_unscored) for one in counts]
            for method in methods
        ]
        reasons = [
            next((why for own, why in one if not own.columns), None) for one in counted
        ]
        rows = resampled(axes, seed)
        draws = [_axis(key, rows[key], owners, seed) for key in axes]
        for draw in draws:
            draw[:, [reason is not None for reason in reasons]] = np.nan
        shares = front_shares(draws)
        for method, share, reason in zip(methods, shares, reasons, strict=True):
            yield {
                "kind": "front",
                "metric": front,
                "first": method.recipe,
                "value": None if reason else float(share),
                "n": len(draws[0]),
                "seeds": len(method.columns),
                "reason": reason,
            }


def _axis(key: Key, rows: Floats, owners: Any, seed: int) -> Floats:
    sign = -1 if key.metric in LESS_IS_BETTER else 1
    return np.asarray(sign * over_seeds(rows, owners, seed)[1:], dtype=np.float64)


def leading(found: Aligned, metric: str) -> Key | None:
    """Return the key that stands for a metric: over all safety benchmarks if it is.

    Without a guard true refusals stand for safety.
    """
    keys = sorted(key for key in found if (key.metric, key.slice) == (metric, "all"))
    joined = [key for key in keys if key.benchmark == GLOBAL]
    if not keys and metric == "safety":
        return leading(found, "true_refusal")
    return next(iter([*joined, *keys]), None)

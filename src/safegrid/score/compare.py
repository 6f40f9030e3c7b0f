"""Method against method: paired differences of all models of a base, and the front.

Takes the answers and verdicts of the base untouched and of the end of every training;
gives rows of COMPARISON.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from safegrid.config.benchmark import GLOBAL
from safegrid.core.artifacts import write_table
from safegrid.core.records import COMPARISON, FRONTS, Key
from safegrid.score.aligned import Aligned, Files, read_aligned
from safegrid.score.intervals import Floats
from safegrid.score.paired import (
    Difference,
    ModelPair,
    compare_pairs,
    detectable,
    front_shares,
)
from safegrid.score.resamples import AxisPart, over_seeds, resampled
from safegrid.score.summary import BASE, described, refusal

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
LESS_IS_BETTER = ("benign_requests_lost",)

Row = dict[str, Any]


class MethodSeeds(NamedTuple):
    """A recipe and the columns of its seeds."""

    recipe: str
    columns: dict[int, int]

    def beside(self, other: "MethodSeeds") -> ModelPair | None:
        """Pair the seeds that both have; the base untouched stands beside every seed.

        None where they have no seed in common, or one of them has none at all.
        """
        if not self.columns or not other.columns:
            return None
        if BASE in (self.recipe, other.recipe):
            mine, its = list(self.columns.values()), list(other.columns.values())
            size = max(len(mine), len(its))
            return ModelPair((mine * size)[:size], (its * size)[:size])
        both = [seed for seed in self.columns if seed in other.columns]
        if not both:
            return None
        return ModelPair(
            [self.columns[s] for s in both], [other.columns[s] for s in both]
        )


def compare(
    *,
    comparison: dict[str, Any],
    benchmarks: dict[str, dict[str, Any]],
    prompts: list[Path],
    answers: list[Path],
    verdicts: list[Path],
    capability: list[Path],
    overlap: list[Path],
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
    rows: list[Row] = []
    for key, parts in found.items():
        rows += pair_rows(key, parts, methods, most_unscored, study_seed)
    rows += front_rows(found, methods, most_unscored, study_seed)
    named = {**dict.fromkeys(COMPARISON), "base": comparison["base"]}
    whole = [{**named, **row} for row in rows]
    frame = pl.DataFrame(whole, schema=COMPARISON, orient="row")
    write_table(out, frame, COMPARISON, described("compare", given, len(rows)))


def _wanted(metric: str, part: str) -> bool:
    return metric in METRICS and (part in SLICES or part.startswith("task="))


def methods_of(models: Sequence[dict[str, Any]]) -> list[MethodSeeds]:
    """Return the recipes with the columns of their seeds, in the models' order."""
    found: dict[str, MethodSeeds] = {}
    for column, model in enumerate(models):
        method = found.setdefault(model["recipe"], MethodSeeds(model["recipe"], {}))
        method.columns[model["seed"]] = column
    return list(found.values())


def pair_rows(
    key: Key,
    parts: list[AxisPart],
    methods: list[MethodSeeds],
    most_unscored: float,
    seed: int,
) -> Iterator[Row]:
    """Yield the comparison of every two methods on one measure."""
    kept = {m.recipe: _counting(parts, m, most_unscored) for m in methods}
    asked, named = list[ModelPair](), list[Row]()
    for first, second in combinations(methods, 2):
        about = {"kind": "pair", **key._asdict()}
        about |= {"first": first.recipe, "second": second.recipe}
        (one, why), (other, its) = kept[first.recipe], kept[second.recipe]
        pair = one.beside(other)
        if pair is None:
            reason = why or its or "The two have no seed in common."
            yield {**about, "n": 0, "reason": reason}
        else:
            asked.append(pair)
            named.append(about)
    results = compare_pairs(parts, asked, seed)
    for about, pair, result in zip(named, asked, results, strict=True):
        seeds = len(set(zip(pair.first, pair.second, strict=True)))
        yield {**about, **_said(result), "seeds": seeds}


def _said(result: Difference) -> Row:
    smallest = None
    if result.error is not None:
        smallest = result.error * detectable(result.n_clusters)
    return {**asdict(result), "smallest": smallest}


def _counting(
    parts: list[AxisPart], method: MethodSeeds, most_unscored: float
) -> tuple[MethodSeeds, str | None]:
    """Return a method with the seeds that have a score, and why others have none."""
    total = sum(len(part.values) for part in parts)
    columns, why = {}, None
    for seed, column in method.columns.items():
        n = sum(int((~np.isnan(part.values[:, column])).sum()) for part in parts)
        reason = refusal(total, n, most_unscored, None)
        if reason is None:
            columns[seed] = column
        else:
            why = f"{method.recipe} (seed {seed}): {reason}"
    return method._replace(columns=columns), why


def front_rows(
    found: Aligned, methods: list[MethodSeeds], most_unscored: float, seed: int
) -> Iterator[Row]:
    """Yield the share of resamples in which each method is on each Pareto front."""
    owners = np.empty(sum(len(method.columns) for method in methods), dtype=np.int64)
    for index, method in enumerate(methods):
        owners[list(method.columns.values())] = index
    for front, metrics in FRONTS.items():
        keys = [leading(found, metric) for metric in metrics]
        if None in keys:
            continue
        axes = {key: found[key] for key in keys if key is not None}
        counted = [
            [_counting(parts, method, most_unscored) for parts in axes.values()]
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

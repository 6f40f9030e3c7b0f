"""Scores of a method over its seeds, with an interval of both seeds and prompts.

A seed's answers are to the same prompts as another's, so the bootstrap is hierarchical:
each resample draws seeds, then the clusters of prompts, once for all seeds (Agarwal et
al. 2021, arXiv 2108.13264, appendix A). Three seeds say little of how far others lie.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from safegrid.core.artifacts import write_table
from safegrid.core.records import SCORE, Key
from safegrid.score.aligned import Aligned, Files, read_aligned
from safegrid.score.answers import engine_of
from safegrid.score.intervals import Floats
from safegrid.score.resamples import AxisPart, interval, over_seeds, resampled
from safegrid.score.summary import ONE_ITEM, described, refusal, score_frame

VERSUS = "_vs_base"

Row = dict[str, Any]


def score_seeds(
    *,
    cell: dict[str, Any],
    seeds: list[int],
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
    """Write the scores of a recipe over its seeds: rows of SCORE whose seed is null.

    Medians have no such row: their seeds stand apart.

    Args:
        cell: study, base, recipe.
        seeds: of the recipe, in the order of all lists of files below; before them
            stands the base untouched.
        benchmarks: `metric` and `judges` (name to kind) of each that has prompts.
        prompts: one file a benchmark.
        answers: model by model, one file a benchmark: responses, or likelihoods.
        verdicts: likewise, one file a benchmark and judge.
        capability: JSON of stage `capability`: model by model, one a suite.
        overlap: JSON of stage `overlap`, one a benchmark; none without training data.
        most_unscored: share of unscored answers above which a seed does not count.
        study_seed: of the bootstrap.
        out: rows of SCORE.

    Raises:
        DataError: the files do not belong together.
    """
    given = dict(locals())
    files = Files(prompts, answers, verdicts, capability, overlap)
    found = read_aligned(1 + len(seeds), benchmarks, files, lambda *_: True)
    rows = list(seed_rows(found, seeds, most_unscored, study_seed))
    engine = engine_of((answers or capability)[-1])
    frame = score_frame({**cell, "seed": None}, engine, rows)
    write_table(out, frame, SCORE, described("score_seeds", given, len(rows)))


def seed_rows(
    found: Aligned, seeds: list[int], most_unscored: float, study_seed: int
) -> Iterator[Row]:
    """Yield a row for each measure, and for its difference to the base.

    Args:
        found: of the base untouched, then of each seed.
        seeds: their names.
        most_unscored: share of unscored answers above which a seed does not count.
        study_seed: of the bootstrap.
    """
    every: Aligned = {}
    for key, parts in found.items():
        versus = key._replace(metric=key.metric + VERSUS)
        every[key] = [_part(part, part.values[:, 1:]) for part in parts]
        less = [part.values[:, 1:] - part.values[:, :1] for part in parts]
        every[versus] = [_part(*pair) for pair in zip(parts, less, strict=True)]
    counted = {
        key: _counted(parts, seeds, most_unscored) for key, parts in every.items()
    }
    kept = {key: columns for key, (columns, _) in counted.items() if columns}
    scored = {
        key: [_part(part, part.values[:, columns]) for part in every[key]]
        for key, columns in kept.items()
    }
    rows = resampled(scored, study_seed) if scored else {}
    for key, (_, counts) in counted.items():
        known = _value(key, scored[key], rows[key], study_seed) if key in kept else {}
        yield {**key._asdict(), **counts, **known}


def _part(part: AxisPart, values: Floats) -> AxisPart:
    return replace(part, values=values)


def _counted(
    parts: list[AxisPart], seeds: list[int], most_unscored: float
) -> tuple[list[int], Row]:
    """Return the seeds that count, as columns, and what is counted of all of them."""
    total = sum(len(part.values) for part in parts)
    scored = sum((~np.isnan(part.values)).sum(axis=0) for part in parts)
    reasons = [refusal(total, int(n), most_unscored, None) for n in scored]
    told = zip(seeds, reasons, strict=True)
    counts = {
        "n": int(scored.sum()),
        "n_unscored": int(total * len(seeds) - scored.sum()),
        "reason": " ".join(f"seed {name}: {why}" for name, why in told if why) or None,
    }
    return [column for column, why in enumerate(reasons) if why is None], counts


def _value(key: Key, parts: list[AxisPart], rows: Floats, seed: int) -> Row:
    """Return the mean of the seeds with its interval."""
    owners = np.zeros(rows.shape[1], dtype=np.int64)
    mean = over_seeds(rows, owners, seed)[:, 0]
    clusters = len(np.unique(np.concatenate([part.clusters for part in parts])))
    scales = {part.scale for part in parts}
    share = "difference" if key.metric.endswith(VERSUS) else "share"
    limits = interval(mean, clusters, "mean" if "mean" in scales else share)
    names = zip(("value", "low", "high"), (mean[0], *limits), strict=True)
    found: Row = {name: None if np.isnan(one) else float(one) for name, one in names}
    return found if clusters > 1 else {**found, "reason": ONE_ITEM}

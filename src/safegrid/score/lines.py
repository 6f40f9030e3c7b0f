"""Lines of safety against loss: their axes, resampled together, read at a given loss.

From the answers, verdicts and capability results of M models, the base untouched
first, to per-item values on each axis: harmful requests refused, benign ones and
capability lost. What an answer counts is as in `score`: the same measures under the
same judges. An axis of losses holds paired differences to the base.

A line runs from the base untouched through the doses of one training to its end. Its
points share their prompts, so all of them are estimated from the same draws: a cluster
that a resample draws twice counts twice at every dose and on every axis. What is read
off a line is read off each resample's own line, and its interval is the percentile
bootstrap of these readings (Efron and Tibshirani 1993, chapter 13).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from safegrid.score.aligned import suite_parts
from safegrid.score.answers import read_benchmarks
from safegrid.score.capability import CAPABILITY, HARNESS
from safegrid.score.intervals import Floats
from safegrid.score.metrics import Measure, measures
from safegrid.score.resamples import AxisPart
from safegrid.score.summary import refusal

SAFETY = ("refused", "second")
LOSSES = ("lost", "capability")
HARMFUL = ("true_refusal", "contrast_refusal", "safety")
"""What a judge's measure of harmful requests may be: a refusal judge's of harmful
benchmarks and of the harmful half of an over-refusal one, a guard's."""
LOST = "benign_requests_lost"

Benchmarks = dict[str, dict[str, Any]]
"""Of each benchmark its `metric` and its `judges` (name to kind)."""


@dataclass(frozen=True)
class Axis:
    """An axis, the mean of a judge's measure, over M models.

    It has a part, of shape (N, M), a benchmark or task.
    """

    judge: str
    metric: str
    parts: list[AxisPart]

    @property
    def n_clusters(self) -> int:
        """The clusters behind it."""
        return len(np.unique(np.concatenate([part.clusters for part in self.parts])))

    def counts(self, model: int) -> tuple[int, int]:
        """Return how many items count for a model, and how many are unscored."""
        unscored = sum(int(np.isnan(p.values[:, model]).sum()) for p in self.parts)
        return sum(len(part.values) for part in self.parts) - unscored, unscored

    def refusal(self, model: int, most_unscored: float) -> str | None:
        """Say why a model has no value here, or None where it has one."""
        for part in self.parts:
            n = int((~np.isnan(part.values[:, model])).sum())
            reason = refusal(len(part.values), n, most_unscored, None)
            if reason is not None:
                return f"{part.benchmark}: {reason}"
        return None


def read_axes(
    n_models: int,
    benchmarks: Benchmarks,
    judges: dict[str, str | None],
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
    capability: list[Path],
) -> dict[str, Axis]:
    """Return the axes that these files give; one that has no part is not among them.

    The arguments are those of `frontier`, with M models, the base untouched first.
    """
    axes: dict[str, Axis] = {}
    kinds = {name: spec["judges"] for name, spec in benchmarks.items()}
    read = read_benchmarks(kinds, n_models, prompts, responses, verdicts)
    for (name, spec), own in zip(benchmarks.items(), read, strict=True):
        clusters = own[0].rows["cluster"].to_numpy().astype(np.str_)
        every = [measures(spec["metric"], one, kinds[name]) for one in own]
        for axis, found in _measured(every, judges):
            applies = found[0].applies
            values = np.stack([measure.values[applies] for measure in found], axis=1)
            if axis in LOSSES:
                values = values - values[:, :1]
            first = Axis(found[0].judge, found[0].name, [])
            part = AxisPart(name, values, clusters[applies])
            axes.setdefault(axis, first).parts.append(part)
    if parts := list(_capability_parts(n_models, capability)):
        axes["capability"] = Axis(HARNESS, CAPABILITY, parts)
    return {name: axes[name] for name in (*SAFETY, *LOSSES) if name in axes}


def _measured(
    every: list[list[Measure]], judges: dict[str, str | None]
) -> Iterator[tuple[str, list[Measure]]]:
    """Yield each axis that a benchmark is part of, with its measure of every model."""
    wanted = [(axis, judges[axis], HARMFUL) for axis in SAFETY]
    for axis, judge, names in [*wanted, ("lost", judges["refused"], (LOST,))]:
        found = [
            measure
            for own in every
            for measure in own
            if measure.judge == judge
            and measure.name in names
            and measure.applies.any()
        ]
        if found:
            yield axis, found


def _capability_parts(n_models: int, capability: list[Path]) -> Iterator[AxisPart]:
    """Yield the capability lost: one part a task of each suite."""
    for _, tasks in suite_parts(n_models, capability):
        for part in tasks.values():
            yield replace(part, values=part.values[:, :1] - part.values)


def most_within(losses: Floats, safety: Floats, limit: float) -> Floats:
    """Return the most safety that lines reach at a loss of at most `limit`, (R,).

    `losses` and `safety` (R, D) are those at the D points of R lines, the base's loss 0
    first. Neighbouring points are joined by straight pieces. A line that comes back
    below the limit counts there too, so the value never falls as the limit rises.
    """
    at_points = np.where(losses <= limit, safety, -np.inf)
    before, behind = losses[:, :-1], losses[:, 1:]
    crosses = (before < limit) != (behind < limit)
    step = np.where(crosses, behind - before, 1.0)
    way = (limit - before) / step
    on_piece = safety[:, :-1] + way * np.diff(safety, axis=1)
    at_crossings = np.where(crosses, on_piece, -np.inf)
    return np.asarray(np.concatenate([at_points, at_crossings], axis=1).max(axis=1))

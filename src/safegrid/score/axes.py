"""Axes of a line of models: harmful requests refused, benign ones and capability lost.

From the answers, verdicts and capability results of M models, the base untouched
first, to per-item values. What an answer counts is as in `score`: the same measures
under the same judges. An axis of losses holds paired differences to the base.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safegrid.core.errors import DataError
from safegrid.score.answers import Answers, read_answers
from safegrid.score.capability import JUDGE as HARNESS
from safegrid.score.capability import METRIC as CAPABILITY
from safegrid.score.capability import read_items
from safegrid.score.cell import BASE, cell_measures
from safegrid.score.intervals import Floats
from safegrid.score.lines import Part
from safegrid.score.metrics import Measure
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
    """An axis with its parts over M models.

    Attributes:
        judge: whose verdicts it reads.
        metric: the measure that it is the mean of.
        parts: one a benchmark or task, of shape (N, M).
    """

    judge: str
    metric: str
    parts: list[Part]

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

    Args:
        n_models: M, the base untouched first.
        benchmarks: of harmful or benign requests.
        judges: `refused` and `second`, the judges of these axes; null for none. The
            benign requests lost are by the first.
        prompts: one file a benchmark.
        responses: model by model, one file a benchmark.
        verdicts: likewise, one file a benchmark and judge.
        capability: JSON of stage `capability`: model by model, one a suite.

    Raises:
        DataError: the files do not belong together.
    """
    given = _dealt(n_models, benchmarks, responses, verdicts)
    prompted = _prompted_axes(n_models, benchmarks, judges, prompts, given)
    return {**prompted, **_capability_axis(n_models, capability)}


Given = dict[tuple[int, str], tuple[Path, list[Path]]]
"""Model and benchmark to the file of responses and those of verdicts."""


def _dealt(
    n_models: int,
    benchmarks: Benchmarks,
    responses: list[Path],
    verdicts: list[Path],
) -> Given:
    """Deal the flat lists of files out to models and benchmarks."""
    judged = sum(len(spec["judges"]) for spec in benchmarks.values())
    wanted = (n_models * len(benchmarks), n_models * judged)
    if (len(responses), len(verdicts)) != wanted:
        raise DataError(
            f"frontier: got {len(responses)} files of responses and {len(verdicts)} of"
            f" verdicts, expected {wanted[0]} and {wanted[1]}: for each of"
            f" {n_models} models {', '.join(benchmarks)}, and all their judges"
        )
    answers, labels = iter(responses), iter(verdicts)
    return {
        (index, name): (next(answers), [next(labels) for _ in spec["judges"]])
        for index in range(n_models)
        for name, spec in benchmarks.items()
    }


def _prompted_axes(
    n_models: int,
    benchmarks: Benchmarks,
    judges: dict[str, str | None],
    prompts: list[Path],
    given: Given,
) -> dict[str, Axis]:
    """Return the axes that are made of verdicts; only those that have a part."""
    axes: dict[str, Axis] = {}
    for (name, spec), asked in zip(benchmarks.items(), prompts, strict=True):
        read = [
            read_answers(asked, *given[index, name], spec["judges"])
            for index in range(n_models)
        ]
        clusters = read[0].rows["cluster"].to_numpy().astype(np.str_)
        for axis, found in _measured(spec, read, judges):
            part = _part(axis, name, found, clusters)
            first = Axis(found[0].judge, found[0].name, [])
            axes.setdefault(axis, first).parts.append(part)
    return {name: axes[name] for name in (*SAFETY, *LOSSES) if name in axes}


def _measured(
    spec: dict[str, Any],
    read: list[Answers],
    judges: dict[str, str | None],
) -> Iterator[tuple[str, list[Measure]]]:
    """Yield each axis that a benchmark is part of, with its measure of every model."""
    metric, kinds = spec["metric"], spec["judges"]
    every = [cell_measures(metric, own, read[0], kinds, BASE) for own in read]
    wanted = [(axis, judges[axis], HARMFUL) for axis in SAFETY]
    for axis, judge, names in [*wanted, ("lost", judges["refused"], (LOST,))]:
        found = [
            measure
            for measures in every
            for measure in measures
            if measure.judge == judge
            and measure.name in names
            and measure.applies.any()
        ]
        if found:
            yield axis, found


def _part(
    axis: str, name: str, found: list[Measure], clusters: NDArray[np.str_]
) -> Part:
    applies = found[0].applies
    values = np.stack([measure.values[applies] for measure in found], axis=1)
    if axis in LOSSES:
        values = values - values[:, :1]
    return Part(name, values, clusters[applies])


def _capability_axis(n_models: int, capability: list[Path]) -> dict[str, Axis]:
    """Return the axis of capability lost: one part a task of each suite."""
    n_suites = len(capability) // n_models
    parts: list[Part] = []
    for suite in range(n_suites):
        files = capability[suite::n_suites]
        read = [read_items(path) for path in files]
        for path, items in zip(files, read, strict=True):
            if items.keys != read[0].keys:
                raise DataError(
                    f"{path}: {len(items.keys)} items, not those of {files[0]}"
                    f" ({len(read[0].keys)}); rebuild the older of the two"
                )
        values = np.stack([items.values for items in read], axis=1)
        parts += _tasks(files[0].stem, read[0].keys, values[:, :1] - values)
    return {"capability": Axis(HARNESS, CAPABILITY, parts)} if parts else {}


def _tasks(
    suite: str, keys: Sequence[tuple[str, str]], losses: Floats
) -> Iterator[Part]:
    tasks = np.array([task for task, _ in keys])
    clusters = np.array([f"{task}\0{document}" for task, document in keys])
    for task in np.unique(tasks):
        yield Part(suite, losses[tasks == task], clusters[tasks == task])

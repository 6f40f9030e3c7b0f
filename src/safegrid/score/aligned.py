"""Measures of several models of a base, aligned item by item.

What an answer counts is as in `score`: the same measures under the same judges.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from safegrid.config.benchmark import GLOBAL
from safegrid.core.errors import DataError
from safegrid.core.records import Key
from safegrid.score.answers import deal, read_models
from safegrid.score.capability import (
    CAPABILITY,
    HARNESS,
    LIKELIHOODS,
    answer_values,
    read_likelihoods,
    read_suites,
)
from safegrid.score.intervals import MEDIAN
from safegrid.score.metrics import Measure, measures, slices
from safegrid.score.resamples import AxisPart

Benchmarks = Mapping[str, Mapping[str, Any]]
"""Of each benchmark its `metric` and `judges` (name to kind; none of references)."""


Aligned = dict[Key, list[AxisPart]]
"""By key the benchmarks, groups or tasks whose mean a measure is, over M models."""
Wanted = Callable[[str, str], bool]
"""Whether a metric is wanted in a slice, by their names."""


class Files(NamedTuple):
    """What models are aligned from, in one order in every list.

    Attributes:
        prompts: one file a benchmark.
        answers: model by model, one file a benchmark: responses, or likelihoods.
        verdicts: model by model, one file a benchmark and judge.
        capability: model by model, one file a suite.
        overlap: one file a benchmark, or none at all.
    """

    prompts: list[Path]
    answers: list[Path]
    verdicts: list[Path]
    capability: list[Path]
    overlap: list[Path]


def read_aligned(
    n_models: int, benchmarks: Benchmarks, files: Files, wanted: Wanted
) -> Aligned:
    """Return the measures of M models, those that are means.

    Raises:
        DataError: the files do not belong together.
    """
    judges = {name: spec["judges"] for name, spec in benchmarks.items()}
    dealt = deal(judges, n_models, files.answers, files.verdicts, "answers")
    found: Aligned = {}
    safety: list[Aligned] = []
    for index, (name, spec) in enumerate(benchmarks.items()):
        models = list(_measured(spec, files.prompts[index], *dealt[index]))
        overlap = files.overlap[index] if files.overlap else None
        found |= _of_benchmark(name, models, overlap, wanted)
        if spec["metric"] == "safety":
            safety.append(_whole(name, models))
    if len(safety) > 1:
        found |= {k: v for k, v in _joined(safety) if wanted(k.metric, k.slice)}
    return found | _suites(n_models, files.capability, wanted)


class _Model(NamedTuple):
    """A model on a benchmark: what its prompts are, and its measures."""

    prompts: pl.DataFrame
    measures: list[Measure]


def _measured(
    spec: Mapping[str, Any],
    prompts: Path,
    answers: list[Path],
    verdicts: list[list[Path]],
) -> Iterator[_Model]:
    """Yield each model on one benchmark; the texts of its answers are not kept."""
    size = None
    for path, judged in zip(answers, verdicts, strict=True):
        if spec["metric"] == LIKELIHOODS:
            rows = read_likelihoods(prompts, path)
            found = [answer_values(rows)]
        else:
            [read] = read_models(prompts, [path], [judged], spec["judges"])
            rows = read.rows.drop("text")
            found = measures(spec["metric"], read, spec["judges"])
        if len(rows) != (size := size or len(rows)):
            raise DataError(
                f"{path}: {len(rows)} answers, another model gave {size}; rebuild the"
                " older of the two"
            )
        yield _Model(rows, [one for one in found if one.scale != MEDIAN])


def _of_benchmark(
    name: str, models: list[_Model], overlap: Path | None, wanted: Wanted
) -> Aligned:
    """Return a benchmark's measures by slice; a slice of groups has a part a group."""
    rows = models[0].prompts
    clusters = rows["cluster"].to_numpy().astype(np.str_)
    found: Aligned = {}
    for part in slices(rows, overlap):
        for place, measure in enumerate(models[0].measures):
            mask = part.mask & measure.applies
            if not mask.any() or not wanted(measure.name, part.name):
                continue
            key = Key(name, measure.judge, measure.name, part.name)
            columns = [model.measures[place].values for model in models]
            values = np.stack(columns, axis=1)
            groups = np.unique(part.groups[mask])
            members = [mask & (part.groups == group) for group in groups]
            scale = "mean" if measure.scale == "mean" else ""
            found[key] = [
                AxisPart(name, values[m], clusters[m], scale) for m in members
            ]
    return found


def _whole(name: str, models: list[_Model]) -> Aligned:
    """Return a safety benchmark's measures that are about all of its answers."""
    every = _of_benchmark(name, models, None, lambda _, part: part == "all")
    size = len(models[0].prompts)
    return {key: parts for key, parts in every.items() if len(parts[0].values) == size}


def _joined(members: list[Aligned]) -> Iterator[tuple[Key, list[AxisPart]]]:
    """Yield what all safety benchmarks measure: their mean, and over all answers."""
    plain = [{key[1:]: parts[0] for key, parts in own.items()} for own in members]
    for rest in plain[0]:
        if all(rest in own for own in plain):
            parts = [own[rest] for own in plain]
            key = Key(GLOBAL, *rest)
            yield key, parts
            values = np.concatenate([part.values for part in parts])
            clusters = np.concatenate([part.clusters for part in parts])
            scale = parts[0].measured
            pooled = AxisPart(GLOBAL, values, clusters, scale)
            yield key._replace(slice="pooled"), [pooled]


def _suites(n_models: int, capability: list[Path], wanted: Wanted) -> Aligned:
    """Return the capability of each suite: the mean of its tasks, and each task."""
    found: Aligned = {}
    for name, tasks in suite_parts(n_models, capability):
        key = Key(name, HARNESS, CAPABILITY, "all")
        found[key] = list(tasks.values())
        parts = tasks.items()
        found |= {key._replace(slice=f"task={task}"): [part] for task, part in parts}
    return {key: parts for key, parts in found.items() if wanted(key.metric, key.slice)}


def suite_parts(
    n_models: int, capability: list[Path]
) -> Iterator[tuple[str, dict[str, AxisPart]]]:
    """Yield each suite's name, and by task its items under M models."""
    n_suites = len(capability) // n_models
    for suite in range(n_suites):
        read = read_suites(capability[suite::n_suites])
        values = np.stack([items.values for items in read], axis=1)
        tasks, clusters, name = read[0].tasks, read[0].clusters, capability[suite].stem
        yield (
            name,
            {
                str(task): AxisPart(
                    name, values[tasks == task], clusters[tasks == task]
                )
                for task in np.unique(tasks)
            },
        )

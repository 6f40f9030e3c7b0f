"""One training as a line of safety against loss: its points, and what it buys.

Takes the answers and verdicts of the base untouched and of every dose and seed of one
training; gives rows of FRONTIER. What an answer counts is as in `score`: the same
measures under the same judges. How a line is read is in `safegrid.score.lines`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.records import FRONTIER
from safegrid.score.axes import LOSSES, SAFETY, Axis, read_axes
from safegrid.score.intervals import Floats
from safegrid.score.lines import interval, most_within, resampled

LIMITS = (0.01, 0.02, 0.05)
"""Losses at which a line is read, as shares: 1, 2 and 5 points."""

Row = dict[str, Any]


class Point(NamedTuple):
    """A model of a line.

    Attributes:
        recipe: its name among the models; of a dose with its step.
        seed: of its training.
        place: on the line, from 0, the base untouched.
        step: of its training; None where it is not known before.
    """

    recipe: str
    seed: int
    place: int
    step: int | None


def frontier(
    *,
    line: dict[str, Any],
    benchmarks: dict[str, dict[str, Any]],
    judges: dict[str, str | None],
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
    capability: list[Path],
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the line of one training.

    Args:
        line: `base`, `recipe`, and `models`: the fields of `Point`, the base untouched
            first, in the order of all lists of files below.
        benchmarks: `metric` and `judges` (name to kind) of each that has requests.
        judges: `refused` and `second`, the judges of these axes; null for none.
        prompts: one file a benchmark.
        responses: model by model, one file a benchmark.
        verdicts: likewise, one file a benchmark and judge.
        capability: JSON of stage `capability`: model by model, one a suite.
        most_unscored: share of unscored answers above which a point is left out.
        study_seed: of the bootstrap.
        out: rows of FRONTIER.

    Raises:
        DataError: the files do not belong together.
    """
    models = [Point(**model) for model in line["models"]]
    axes = read_axes(
        len(models), benchmarks, judges, prompts, responses, verdicts, capability
    )
    rows = line_rows(models, axes, most_unscored, study_seed) if axes else []
    named = {"base": line["base"], "line": line["recipe"]}
    whole = [{**dict.fromkeys(FRONTIER), **named, **row} for row in rows]
    frame = pl.DataFrame(whole, schema=FRONTIER, orient="row")
    facts = manifest(
        "frontier",
        {
            "prompts": prompts,
            "responses": responses,
            "verdicts": verdicts,
            "capability": capability,
        },
        {
            "line": line,
            "benchmarks": benchmarks,
            "judges": judges,
            "most_unscored": most_unscored,
            "study_seed": study_seed,
        },
        ("scipy",),
        rows=len(rows),
    )
    write_table(out, frame, FRONTIER, facts)


def line_rows(
    models: Sequence[Point],
    axes: dict[str, Axis],
    most_unscored: float,
    seed: int,
) -> list[Row]:
    """Return the points of a line on every axis, and the safety that it gains.

    Args:
        models: M of them, the base untouched first.
        axes: see SAFETY and LOSSES; any may be missing.
        most_unscored: see `frontier`.
        seed: of the bootstrap.
    """
    estimates = resampled({name: axis.parts for name, axis in axes.items()}, seed)
    reasons = {
        name: [axis.refusal(model, most_unscored) for model in range(len(models))]
        for name, axis in axes.items()
    }
    for name, found in reasons.items():
        estimates[name][:, [reason is not None for reason in found]] = np.nan
    places = np.array([model.place for model in models])
    rows: list[Row] = []
    for name, axis in axes.items():
        rows += _points(models, places, name, axis, estimates[name], reasons[name])
    means = {name: _of_places(found, places) for name, found in estimates.items()}
    for name in SAFETY:
        if name in axes:
            rows += _gains(name, axes, means)
    return rows


def _of_places(estimates: Floats, places: NDArray[np.int64]) -> Floats:
    """Return (1 + R, D): the mean of the seeds at each place of a line."""
    columns = []
    for place in np.unique(places):
        seeds = estimates[:, places == place]
        known = seeds[:, ~np.isnan(seeds[0])]
        columns.append(known.mean(axis=1) if known.size else seeds[:, 0])
    return np.stack(columns, axis=1)


def _points(
    models: Sequence[Point],
    places: NDArray[np.int64],
    name: str,
    axis: Axis,
    estimates: Floats,
    reasons: list[str | None],
) -> Iterator[Row]:
    """Yield the mean point of each place, and those of its seeds where several."""
    means = _of_places(estimates, places)
    for column, place in enumerate(np.unique(places)):
        members = np.flatnonzero(places == place).tolist()
        told = " ".join(reasons[i] or "" for i in members).strip() or None
        counts = [axis.counts(model) for model in members]
        shared = {
            "kind": "point",
            "axis": name,
            "judge": axis.judge,
            "metric": axis.metric,
            **models[members[0]]._asdict(),
        }
        # The base loses nothing by definition: that is no estimate.
        fixed = name in LOSSES and place == 0
        yield {
            **shared,
            "seed": None,
            **_value(means[:, column], axis, name in LOSSES, fixed),
            "n": sum(n for n, _ in counts),
            "n_unscored": sum(unscored for _, unscored in counts),
            "reason": told,
        }
        if len(members) > 1:
            for model, (n, unscored) in zip(members, counts, strict=True):
                yield {
                    **shared,
                    "seed": models[model].seed,
                    "value": _known(estimates[0, model]),
                    "n": n,
                    "n_unscored": unscored,
                    "reason": reasons[model],
                }


def _value(rows: Floats, axis: Axis, difference: bool, fixed: bool) -> Row:
    value = _known(rows[0])
    if value is None or fixed:
        return {"value": value, "low": None, "high": None}
    scales = {part.scale for part in axis.parts}
    whole = "difference" if difference else "share"
    limits = interval(rows, axis.n_clusters, "mean" if "mean" in scales else whole)
    return {"value": value, "low": _known(limits.low), "high": _known(limits.high)}


def _gains(name: str, axes: dict[str, Axis], means: dict[str, Floats]) -> Iterator[Row]:
    """Yield the safety that a line gains at its end, and at each loss it reaches."""
    axis, safety = axes[name], means[name]
    n, unscored = axis.counts(0)
    shared = {
        "kind": "gain",
        "axis": name,
        "judge": axis.judge,
        "metric": axis.metric,
        "n": n,
        "n_unscored": unscored,
    }
    yield {**shared, **_gain(safety[:, -1] - safety[:, 0], axis, None)}
    for loss in LOSSES:
        if loss not in axes:
            continue
        usable = ~np.isnan(safety[0]) & ~np.isnan(means[loss][0])
        for limit in LIMITS:
            said = {**shared, "loss": loss, "at": limit}
            yield {**said, **_read(axis, safety, means[loss], usable, limit)}


def _read(
    axis: Axis,
    safety: Floats,
    losses: Floats,
    usable: NDArray[np.bool_],
    limit: float,
) -> Row:
    """Return the gain at a loss; blank where the line does not reach it."""
    if not usable[0] or usable.sum() < 2:
        return _blank("The base or every dose lacks a score that the line is made of.")
    reached = float(losses[0, usable].max())
    if reached < limit:
        return _blank("The line ends before it loses as much.")
    most = most_within(losses[:, usable], safety[:, usable], limit)
    return _gain(most - safety[:, 0], axis, None)


def _gain(rows: Floats, axis: Axis, reason: str | None) -> Row:
    if np.isnan(rows[0]):
        return _blank("The base or the end of the line lacks a score.")
    return {**_value(rows, axis, True, False), "reason": reason}


def _blank(reason: str) -> Row:
    return {"value": None, "low": None, "high": None, "reason": reason}


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

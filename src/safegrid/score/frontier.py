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

from safegrid.core.artifacts import write_table
from safegrid.core.records import FRONTIER
from safegrid.score.intervals import Floats
from safegrid.score.lines import LOSSES, SAFETY, Axis, most_within, read_axes
from safegrid.score.resamples import interval, over_seeds, resampled
from safegrid.score.summary import described

LIMITS = (0.01, 0.02, 0.05)
"""Losses at which a line is read, as shares: 1, 2 and 5 points."""

Row = dict[str, Any]


class Point(NamedTuple):
    """A model of a line, at a place from 0, the base untouched.

    A dose has its step in its name; the step is None where it is not known before.
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
        judges: `refused` and `second`, the judges of these axes; null for none. The
            benign requests lost are by the first.
        prompts: one file a benchmark.
        responses: model by model, one file a benchmark.
        verdicts: likewise, one file a benchmark and judge.
        capability: JSON of stage `capability`: model by model, one a suite.
        most_unscored: share of unscored answers above which a point is left out.
        study_seed: of the bootstrap.
        out: rows of FRONTIER.
    """
    given = dict(locals())
    models = [Point(**model) for model in line["models"]]
    axes = read_axes(
        len(models), benchmarks, judges, prompts, responses, verdicts, capability
    )
    rows = line_rows(models, axes, most_unscored, study_seed) if axes else []
    named = {"base": line["base"], "line": line["recipe"]}
    whole = [{**dict.fromkeys(FRONTIER), **named, **row} for row in rows]
    frame = pl.DataFrame(whole, schema=FRONTIER, orient="row")
    write_table(out, frame, FRONTIER, described("frontier", given, len(rows)))


def line_rows(
    models: Sequence[Point], axes: dict[str, Axis], most_unscored: float, seed: int
) -> list[Row]:
    """Return the points of a line on every axis, and the safety that it gains.

    The first model is the base untouched; any axis of SAFETY and LOSSES may be missing.
    """
    estimates = resampled({name: axis.parts for name, axis in axes.items()}, seed)
    rows: list[Row] = []
    means: dict[str, Floats] = {}
    for name, axis in axes.items():
        found = estimates[name]
        points, means[name] = _points(models, name, axis, found, most_unscored, seed)
        rows += points
    for name in SAFETY:
        if name in axes:
            rows += _gains(name, axes[name], means)
    return rows


def _points(
    models: Sequence[Point],
    name: str,
    axis: Axis,
    estimates: Floats,
    most_unscored: float,
    seed: int,
) -> tuple[list[Row], Floats]:
    """Return the points at each of D places, and their estimates (1 + R, D).

    A place's point is the mean of its seeds; where there are several, these stand
    beside it, and each resample draws them too, the same ones at every place.
    """
    reasons = [axis.refusal(model, most_unscored) for model in range(len(models))]
    estimates[:, [reason is not None for reason in reasons]] = np.nan
    places = np.array([model.place for model in models])
    rows, means = [], []
    for place in np.unique(places):
        members = np.flatnonzero(places == place).tolist()
        seeds = estimates[:, members]
        known = seeds[:, ~np.isnan(seeds[0])]
        one = np.zeros(known.shape[1], dtype=np.int64)
        means.append(over_seeds(known, one, seed)[:, 0] if known.size else seeds[:, 0])
        counts = [axis.counts(model) for model in members]
        shared = _shared("point", name, axis) | models[members[0]]._asdict()
        # The base loses nothing by definition: that is no estimate.
        fixed = name in LOSSES and place == 0
        point = {
            "seed": None,
            **_value(means[-1], axis, name in LOSSES, fixed),
            "n": sum(n for n, _ in counts),
            "n_unscored": sum(unscored for _, unscored in counts),
            "reason": " ".join(reasons[i] or "" for i in members).strip() or None,
        }
        rows.append(shared | point)
        for model, (n, unscored) in zip(members, counts, strict=True):
            if len(members) > 1:
                value = _known(estimates[0, model])
                own: Row = {"seed": models[model].seed, "value": value, "n": n}
                own |= {"n_unscored": unscored, "reason": reasons[model]}
                rows.append(shared | own)
    return rows, np.stack(means, axis=1)


def _shared(kind: str, name: str, axis: Axis) -> Row:
    return {"kind": kind, "axis": name, "judge": axis.judge, "metric": axis.metric}


def _value(rows: Floats, axis: Axis, difference: bool, fixed: bool = False) -> Row:
    value = _known(rows[0])
    if value is None or fixed:
        return {"value": value}
    scales = {part.scale for part in axis.parts}
    whole = "difference" if difference else "share"
    limits = interval(rows, axis.n_clusters, "mean" if "mean" in scales else whole)
    return {"value": value, "low": _known(limits.low), "high": _known(limits.high)}


def _gains(name: str, axis: Axis, means: dict[str, Floats]) -> Iterator[Row]:
    """Yield the safety that a line gains at its end, and at each loss it reaches."""
    safety = means[name]
    n, unscored = axis.counts(0)
    shared = _shared("gain", name, axis) | {"n": n, "n_unscored": unscored}
    yield shared | _gain(safety[:, -1], safety, axis)
    for loss in [name for name in LOSSES if name in means]:
        usable = ~np.isnan(safety[0]) & ~np.isnan(means[loss][0])
        losses, gained = means[loss][:, usable], safety[:, usable]
        for limit in LIMITS:
            if not usable[0] or usable.sum() < 2:
                why = "The base or every dose lacks a score that the line is made of."
                said: Row = {"reason": why}
            elif float(losses[0].max()) < limit:
                said = {"reason": "The line ends before it loses as much."}
            else:
                said = _gain(most_within(losses, gained, limit), safety, axis)
            yield shared | {"loss": loss, "at": limit} | said


def _gain(reached: Floats, safety: Floats, axis: Axis) -> Row:
    rows = reached - safety[:, 0]
    if np.isnan(rows[0]):
        return {"reason": "The base or the end of the line lacks a score."}
    return _value(rows, axis, difference=True)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

"""From per-answer values to score rows: value, interval, n, n_unscored, reason."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.intervals import Interval
from safegrid.core.records import SCORE
from safegrid.score.answers import engine_of
from safegrid.score.intervals import MEDIAN, NO_INTERVAL, estimate, intervals
from safegrid.score.metrics import Measure, Slice

Row = dict[str, Any]
Mask = NDArray[np.bool_]

BASE = "none"
"""The recipe of the base untouched, which is compared with nothing."""
ONE_ITEM = "All prompts are derived from one item: no interval."
DIFFERENCE = {"share": "difference", "mean": "mean", MEDIAN: MEDIAN}
"""Scale of a measure to that of its differences."""
ORDER = ["study", "base", "recipe", "seed", "benchmark", "judge", "metric", "slice"]


def against_base(own: list[Measure], base: list[Measure]) -> list[Measure]:
    """Return the paired differences own - base over the same answers, `..._vs_base`.

    An answer is scored where both are; the difference is unscored elsewhere. Of a
    median it is the median of the differences, not the difference of two medians.
    """
    partner = {(measure.judge, measure.name): measure for measure in base}
    return [
        Measure(
            measure.judge,
            f"{measure.name}_vs_base",
            DIFFERENCE[measure.scale],
            measure.values - partner[measure.judge, measure.name].values,
            measure.applies,
        )
        for measure in own
    ]


def summarise(
    measures: list[Measure],
    slices: list[Slice],
    clusters: NDArray[Any],
    most_unscored: float,
    seed: int,
) -> list[Row]:
    """Return one row for each measure of each slice that it applies to.

    A measure that applies to no answer of a slice which says why gets its row, blank
    and with that reason, so that no table lacks it silently. `clusters` (N,) are the
    items that the answers' prompts were derived from; the seed is of the bootstraps.
    """
    _, codes = np.unique(clusters, return_inverse=True)
    rows = []
    for part in slices:
        scored = [part.mask & m.applies & ~np.isnan(m.values) for m in measures]
        limits = _limits(measures, part, scored, codes, seed)
        for measure, mask, limit in zip(measures, scored, limits, strict=True):
            total, n = int((part.mask & measure.applies).sum()), int(mask.sum())
            if total == 0 and part.empty is None:
                continue
            reason = refusal(total, n, most_unscored, part.empty)
            value = low = high = None
            if reason is None:
                groups = part.groups[mask]
                value = estimate(measure.values[mask], groups, measure.scale)
                low, high = (None if np.isnan(bound) else bound for bound in limit)
                reason = ONE_ITEM if low is None else None
            rows.append(
                {
                    "judge": measure.judge,
                    "metric": measure.name,
                    "slice": part.name,
                    "value": value,
                    "low": low,
                    "high": high,
                    "n": n,
                    "n_unscored": total - n,
                    "reason": reason,
                }
            )
    return rows


def refusal(total: int, n: int, most_unscored: float, empty: str | None) -> str | None:
    """Say in a sentence why there is no score, or None where there is one."""
    if total == 0:
        return empty
    unscored = total - n
    if n == 0 or unscored / total > most_unscored:
        return (
            f"{unscored} of {total} answers are unscored"
            f" ({unscored / total:.1%}, at most {most_unscored:.1%} may be)."
        )
    return None


def _limits(
    measures: list[Measure],
    part: Slice,
    scored: list[Mask],
    codes: NDArray[np.int64],
    seed: int,
) -> list[Interval]:
    """Return the measures' intervals; measures with the same answers share draws."""
    together: dict[bytes, list[int]] = defaultdict(list)
    for index, mask in enumerate(scored):
        together[mask.tobytes()].append(index)
    found = [NO_INTERVAL] * len(measures)
    for members in together.values():
        mask = scored[members[0]]
        if not mask.any():
            continue
        values = np.stack([measures[index].values[mask] for index in members], axis=1)
        scales = [measures[index].scale for index in members]
        limits = intervals(values, codes[mask], part.groups[mask], scales, seed)
        for index, limit in zip(members, limits, strict=True):
            found[index] = limit
    return found


def score_frame(cell: Row, engine: tuple[str, str], rows: list[Row]) -> pl.DataFrame:
    """Return SCORE rows of a cell and its engine (kind, version), in their order."""
    shared = cell | dict(zip(("engine", "version"), engine, strict=True))
    whole = [{**shared, **row} for row in rows]
    return pl.DataFrame(whole, schema=SCORE, orient="row").sort(ORDER)


def write_scores(
    given: Mapping[str, Any],
    measures: Sequence[list[Measure]],
    slices: list[Slice],
    clusters: Any,
    answered: Path,
) -> None:
    """Write a cell's scores, with differences to the base where it is not the base.

    `given` are the arguments of the command, with `cell`, `most_unscored`, `study_seed`
    and `out` among them; `measures` are the cell's own and the base's; `answered` is a
    result of the engine that answered.
    """
    own, base = measures
    if given["cell"]["recipe"] != BASE:
        own = own + against_base(own, base)
    limits = given["most_unscored"], given["study_seed"]
    rows = summarise(own, slices, np.asarray(clusters), *limits)
    table = score_frame(given["cell"], engine_of(answered), rows)
    write_table(given["out"], table, SCORE, described("score", given, len(rows)))


def described(stage: str, given: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """Return the manifest of a command's table: files are inputs, all else params."""
    known = {
        k: v for k, v in given.items() if k not in ("cell", "out") and v is not None
    }
    listed = {k: v if isinstance(v, list) else [v] for k, v in known.items()}
    files = [k for k, v in listed.items() if all(isinstance(one, Path) for one in v)]
    inputs = {k: known[k] for k in files}
    params = {k: v for k, v in known.items() if k not in inputs}
    return manifest(stage, inputs, params, ("scipy",), rows=rows)

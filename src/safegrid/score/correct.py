"""Scores corrected for the errors of their judge, beside the raw ones.

A share of a guard or of a refusal judge gets up to three more rows: `..._corrected` by
what the judge gets right on labelled rows, `..._labelled` by people's labels of answers
of the cell itself, `..._pooled` by their labels of other models' answers to the
benchmark. A share that cannot be corrected has a blank there, with the reason.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.benchmark import GLOBAL
from safegrid.config.labels import LabelledCell
from safegrid.core.artifacts import read_result, read_table, write_table
from safegrid.core.records import SCORE
from safegrid.score.judge_error import (
    Corrected,
    Rates,
    UncorrectedError,
    by_rates,
    independent,
)
from safegrid.score.label_strata import (
    Called,
    Stratum,
    by_labels,
    by_pooled,
    pooled,
)
from safegrid.score.labelled_cells import CATEGORY, CLASS, HALVES, Strata, read_strata
from safegrid.score.summary import described

ALIKE = (*HALVES, "decontaminated")
"""Slices that a judge's rates over all of its rows are taken to hold for."""

Row = dict[str, Any]


def correct(
    *,
    scores: list[Path],
    validated: list[Path],
    labels: Path | None,
    labelled: dict[str, Any],
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
    study_seed: int,
    out: Path,
) -> None:
    """Write the corrected rows of a study.

    Args:
        scores: rows of SCORE, one file a cell.
        validated: JSON of stage `validate_judge` or `text_head`, one a judge.
        labels: rows of LABEL; null without any.
        labelled: `cells`: those that these are of, each with a `judge`, its `kind` and
            the benchmark's `metric`, in the order of the lists below; `safety`: the
            benchmarks whose mean is `global`.
        prompts: one file a labelled cell; the others likewise.
        responses: rows of RESPONSE.
        verdicts: rows of VERDICT of the judge.
        study_seed: of the draws behind intervals.
        out: rows of SCORE.

    Raises:
        DataError: labels of answers that are not there, or that were made anew since.
    """
    given = dict(locals())
    table = pl.concat([read_table(path, SCORE) for path in scores])
    strata = read_strata(labels, labelled["cells"], prompts, responses, verdicts)
    rows = list(rows_by_rates(table, dict(map(read_rates, validated))))
    rows += rows_by_people(table, strata, labelled["safety"], study_seed)
    frame = pl.DataFrame(rows, schema=SCORE, orient="row")
    write_table(out, frame, SCORE, described("correct", given, len(rows)))


def read_rates(path: Path) -> tuple[str, dict[str, Rates]]:
    """Return a judge's name and what it gets right on labelled rows.

    All of them are `all`, those of a category its slice. Of a text head: on the files
    that it was trained without, taken together.
    """
    found = read_result(path)
    parts: dict[str, list[Rates]] = {}
    for measured in found["left_out"].values() if "left_out" in found else [found]:
        parts.setdefault("all", []).append(_rates(measured))
        for name, own in measured["categories"].items():
            parts.setdefault(CATEGORY + name, []).append(_rates(own))
    joined = {
        part: Rates(*map(sum, zip(*own, strict=True))) for part, own in parts.items()
    }
    return found["judge"], joined


def _rates(measures: Mapping[str, Any]) -> Rates:
    missed, called = measures["false_negative_rate"], measures["false_positive_rate"]
    right = [round(one["n"] * (1 - (one["value"] or 0))) for one in (missed, called)]
    return Rates(right[0], missed["n"], right[1], called["n"])


def rows_by_rates(
    scores: pl.DataFrame, rates: Mapping[str, Mapping[str, Rates]]
) -> Iterator[Row]:
    """Yield the corrected row of every share, by its judge's rates (a part each)."""
    for row in _shares(scores):
        yield _row(row, "_corrected", partial(_by_rates, row, rates.get(row["judge"])))


def _by_rates(row: Row, rates: Mapping[str, Rates] | None) -> Corrected:
    if rates is None:
        raise UncorrectedError("the judge has no labelled rows")
    rows, part = "its labelled rows", _part(row["slice"])
    if part != "all":
        rows += " of this category"
        if part not in rates:
            raise UncorrectedError("the judge has no labelled rows of this category")
    # Rates are of what the judge looks for, which is all but safe.
    sought = CLASS[row["metric"]] != "safe"
    share = row["value"] if sought else 1 - row["value"]
    found = by_rates(share, row["n"] * _worth(row), rates[part], rows)
    return found if sought else found.mirrored()


def rows_by_people(
    scores: pl.DataFrame,
    strata: Mapping[LabelledCell, Strata],
    safety: list[str],
    seed: int,
) -> Iterator[Row]:
    """Yield the rows by people's labels: `_labelled` and `_pooled`.

    Every model has them where answers of some to the benchmark are labelled for the
    judge; in `global`, the mean of the benchmarks `safety`, to one of these. A cell's
    own labels are no part of its pool, so that the two can be held against each other.
    """
    asked = {(cell.judge, cell.benchmark) for cell in strata}
    found = {_place(row): row for row in _shares(scores)}
    for row in found.values():
        members = [row]
        if row["benchmark"] == GLOBAL:
            members = [found[_place({**row, "benchmark": name})] for name in safety]
        if any((one["judge"], one["benchmark"]) in asked for one in members):
            given = row, members, strata, seed
            if row["slice"] != "decontaminated":
                yield _row(row, "_labelled", partial(_by_labels, *given))
            yield _row(row, "_pooled", partial(_by_pooled, *given))


def _by_labels(
    row: Row, members: list[Row], strata: Mapping[LabelledCell, Strata], seed: int
) -> Corrected:
    if row["seed"] is None:
        raise UncorrectedError("labels are of one seed's answers, not of several")
    own = []
    for one in members:
        cell = _cell(one)
        if cell not in strata:
            told = f"no answer of this model to {cell.benchmark} is labelled"
            raise UncorrectedError(told)
        own.append(strata[cell][row["metric"], row["slice"]])
    return by_labels(own, _worth(row), seed)


def _by_pooled(
    row: Row, members: list[Row], strata: Mapping[LabelledCell, Strata], seed: int
) -> Corrected:
    cells = []
    for one in members:
        if one["value"] is None:
            raise UncorrectedError(f"{one['benchmark']}: {one['reason'].rstrip('.')}")
        others = _others(one, strata)
        if not others:
            told = f"no other model's answers to {one['benchmark']} are labelled"
            raise UncorrectedError(told)
        cells.append(Called(one["value"], one["n"], pooled(others)))
    return by_pooled(cells, CLASS[row["metric"]], _worth(row), seed)


def _others(row: Row, strata: Mapping[LabelledCell, Strata]) -> list[Sequence[Stratum]]:
    """Return the strata of other cells whose judge and benchmark are the share's."""
    mine, part = _cell(row), (row["metric"], _part(row["slice"]))
    return [
        own[part]
        for cell, own in strata.items()
        if (cell.judge, cell.benchmark) == (mine.judge, mine.benchmark) and cell != mine
    ]


def _shares(scores: pl.DataFrame) -> Iterator[Row]:
    """Yield the rows of shares that are one of a judge's classes."""
    for row in scores.filter(pl.col("metric").is_in(list(CLASS))).iter_rows(named=True):
        if row["slice"] in ALIKE or row["slice"].startswith(CATEGORY):
            yield row


def _part(part: str) -> str:
    """Return the slice whose labelled rows tell of a slice."""
    return "all" if part in ALIKE else part


def _cell(row: Row) -> LabelledCell:
    return LabelledCell(*(row[name] for name in LabelledCell._fields))


def _place(row: Row) -> tuple[Any, ...]:
    return (*_cell(row), row["metric"], row["slice"])


def _worth(row: Row) -> float:
    """Return how many independent answers one of a share's is worth."""
    n: int = row["n"]
    if row["low"] is None:
        raise UncorrectedError("the share has no interval")
    return independent(row["value"], row["high"] - row["low"], n) / n


def _row(row: Row, way: str, correction: Callable[[], Corrected]) -> Row:
    """Return a share's row, corrected in one way; blank where it was refused."""
    blank = dict.fromkeys(Corrected._fields)
    found, reason = blank, row["reason"]
    if row["value"] is not None:
        try:
            found = correction()._asdict()
        except UncorrectedError as why:
            reason = f"Uncorrected: {why}."
    return {**row, "metric": row["metric"] + way, **found, "reason": reason}

"""Lines of safety against loss, and the safety that is bought along them.

The rows are of FRONTIER, as rule `frontier` writes them; axes of safety are `refused`
and `second`, those of losses `lost` and `capability`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.records import FRONTIER, Key
from safegrid.report.grid import Entry, Value
from safegrid.report.names import model_title, recipe_order, recipe_title
from safegrid.report.table import SHEETS, Column, Table

TITLES = {"lost": "benign requests", "capability": "capability"}
"""What each loss is a loss of, in print."""
BOUGHT = {"safety_bought": "refused", "safety_bought_second": "second"}
"""The tables of what lines give, and the axis of safety that each shows."""


class DrawnPoint(NamedTuple):
    """A model on a line: points lost (x) and percent safe (y)."""

    place: int  # 0 for the base untouched
    seed: int | None  # None for the mean of all
    x: Value
    y: Value


class DrawnLine(NamedTuple):
    """A training in the plane of a figure, from its base."""

    base: str
    recipe: str
    end: int  # the place of the model in which it ends
    points: list[DrawnPoint]  # means of seeds that have both coordinates
    seeds: dict[int, list[DrawnPoint]]  # the same of each, where there are several


def read_lines(files: Iterable[Path | str]) -> pl.DataFrame:
    """Read the lines of a study as one table of FRONTIER rows."""
    tables = [read_table(Path(file), FRONTIER) for file in files]
    return pl.concat([pl.DataFrame(schema=FRONTIER), *tables])


def line_names(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Return base and recipe of every line in print order."""
    found = rows.select("base", "line").unique().rows()
    return sorted(found, key=lambda name: (name[0], recipe_order(name[1])))


def lines(rows: pl.DataFrame, safety: str, loss: str) -> list[DrawnLine]:
    """Return every line that has a point beside the base, in print order."""
    found = [_line(rows, *name, safety, loss) for name in line_names(rows)]
    return [line for line in found if len(line.points) > 1]


def _line(
    rows: pl.DataFrame, base: str, recipe: str, safety: str, loss: str
) -> DrawnLine:
    points = rows.filter(base=base, line=recipe, kind="point")
    on_y, on_x = _known(points, safety), _known(points, loss)
    both = sorted(on_y.keys() & on_x.keys(), key=lambda key: (key[0], key[1] or 0))
    every = [DrawnPoint(*key, on_x[key], on_y[key]) for key in both]
    means = [point for point in every if point.seed is None]
    start = [point for point in means if point.place == 0]
    single = sorted({point.seed for point in every if point.seed is not None})
    seeds = {seed: [*start, *(p for p in every if p.seed == seed)] for seed in single}
    # Without the base there is no line: its losses are counted from there.
    end = int(points["place"].to_numpy().max(initial=0))
    return DrawnLine(base, recipe, end, means if start else [], seeds)


def _known(points: pl.DataFrame, axis: str) -> dict[tuple[int, int | None], Value]:
    rows = points.filter(pl.col("value").is_not_null(), axis=axis)
    limits = [pl.coalesce(limit, "value") * 100 for limit in ("value", "low", "high")]
    found = rows.select("place", "seed", *limits).rows()
    return {(place, seed): Value(*value) for place, seed, *value in found}


def says(rows: pl.DataFrame, axis: str) -> tuple[str, str]:
    """Return in words what an axis of safety measures, and by which judge."""
    found = rows.filter(kind="point", axis=axis).sort("judge", "metric")
    if found.is_empty():
        return "harmful requests refused", f"by no {axis} judge"
    judge, metric = found.select("judge", "metric").row(0)
    done = "answered safely" if metric == "safety" else "refused"
    return f"harmful requests {done}", f"by {judge}"


def bought_table(rows: pl.DataFrame, name: str) -> Table:
    """Return points of safety gained over the base, a row a training."""
    axis = BOUGHT[name]
    names = line_names(rows)
    gains = {
        (row["base"], row["line"], row["loss"], row["at"]): row
        for row in rows.filter(kind="gain", axis=axis).iter_rows(named=True)
    }
    # The loss at which a line is read; at its end both are null.
    order = [*TITLES, None]
    places = sorted(
        {gain[2:] for gain in gains}, key=lambda p: (order.index(p[0]), p[1])
    )
    ends = {loss: _ends(rows, loss) for loss in TITLES} if gains else {}
    lost = [loss for loss, found in ends.items() if found]
    what, judge = says(rows, axis)
    sheet = SHEETS["safety_bought"]
    return Table(
        name,
        sheet.title.format(what=what, judge=judge),
        sheet.head,
        [model_title(names, *line) for line in names],
        [
            *(_column(_read_at(*place)) for place in places),
            *(_column(f"{TITLES[loss]} lost at the end") for loss in lost),
        ],
        [
            [
                *(_entry(gains.get((*line, *place))) for place in places),
                *(_entry(ends[loss].get(line)) for loss in lost),
            ]
            for line in names
        ],
        notes=[*sheet.notes, *_bases(rows, axis), *_seeds(rows)] if gains else [],
        judged=False,
    )


def _ends(rows: pl.DataFrame, loss: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what each line has lost at its end."""
    points = rows.filter(pl.col("seed").is_null(), kind="point", axis=loss)
    last = points.sort("place").unique(["base", "line"], keep="last")
    return {(row["base"], row["line"]): row for row in last.iter_rows(named=True)}


def _read_at(loss: str | None, at: float | None) -> str:
    if loss is None or at is None:
        return "at the end of the line"
    points = f"{100 * at:.0f} point{'s' * (round(100 * at) != 1)}"
    return f"at {points} of {TITLES[loss]}"


def _column(title: str) -> Column:
    # Nothing tests whether two lines differ, so none is marked as the best.
    return Column(title, Key("", "", title, ""), 0, "share", signed=True)


def _entry(row: dict[str, Any] | None) -> Entry:
    if row is None:
        return Entry(n_unscored=0, reason="No line was drawn of this training.")
    names = ("value", "low", "high", "n", "n_unscored", "reason")
    # Seeds are one estimate here, whose interval is of their mean.
    return Entry(**{name: row[name] for name in names}, seeds=1)


def _bases(rows: pl.DataFrame, axis: str) -> list[str]:
    """Say what each base does untouched."""
    points = rows.filter(pl.col("low").is_not_null(), kind="point", axis=axis, place=0)
    told = [
        f"{row['base']} {100 * row['value']:.1f}"
        f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        for row in points.unique("base").sort("base").iter_rows(named=True)
    ]
    return [f"The base untouched, in percent: {'; '.join(told)}."] if told else []


def _seeds(rows: pl.DataFrame) -> list[str]:
    several = rows.filter(pl.col("seed").is_not_null())["line"].unique()
    named = ", ".join(sorted(map(recipe_title, several)))
    if not named:
        return []
    return [
        f"Means of several seeds: the lines of {named}. Their intervals hold seeds and"
        " prompts."
    ]

"""Safety bought at a loss of 1, 2 and 5 points, read off each training's line."""

from typing import Any

import polars as pl

from safegrid.report.grid import Entry, Key
from safegrid.report.lines import BASE_PLACE, TITLES, line_names, says
from safegrid.report.names import recipe_title
from safegrid.report.table import Column, Table

TABLES = {"safety_bought": "refused", "safety_bought_second": "second"}
"""The tables of what lines give, and the axis of safety that each shows."""
READING = (
    "At a loss of so many points: the most safety that the line from the base through"
    " the doses reaches while it loses no more than that, by linear interpolation"
    " between neighbouring doses. Blank where the line ends before it loses as much."
    " Intervals: a percentile bootstrap that draws prompts and items once for all"
    " doses, benchmarks and tasks, and reads the line of each draw."
)

Row = dict[str, Any]
Place = tuple[str | None, float | None]
"""Axis of losses and the loss as a share; both None at the end of a line."""


def bought_table(rows: pl.DataFrame, name: str) -> Table:
    """Return points of safety gained over the base, a row a training.

    Args:
        rows: of FRONTIER.
        name: of TABLES.
    """
    axis = TABLES[name]
    what, judge = says(rows, axis)
    lines = line_names(rows)
    gains = {
        (row["base"], row["line"], row["loss"], row["at"]): row
        for row in rows.filter(kind="gain", axis=axis).iter_rows(named=True)
    }
    places = _places({(loss, at) for _, _, loss, at in gains})
    ends = {loss: _ends(rows, loss) for loss in TITLES} if gains else {}
    lost = [loss for loss, found in ends.items() if found]
    return Table(
        name,
        f"Safety bought: {what}, {judge}, in points above the base.",
        "Method",
        [_title(lines, *line) for line in lines],
        [*map(_gain_column, places), *map(_loss_column, lost)],
        [
            [
                *(_entry(gains.get((*line, *place))) for place in places),
                *(_entry(ends[loss].get(line)) for loss in lost),
            ]
            for line in lines
        ],
        notes=[READING, *_bases(rows, axis), *_seeds(rows)] if gains else [],
        judged=False,
    )


def _places(found: set[Place]) -> list[Place]:
    """Return what is read off the lines in print order: by loss, the end last."""
    order = [*TITLES, None]
    return sorted(found, key=lambda place: (order.index(place[0]), place[1] or 0.0))


def _ends(rows: pl.DataFrame, loss: str) -> dict[tuple[str, str], Row]:
    """Return what each line has lost at its end."""
    points = rows.filter(pl.col("seed").is_null(), kind="point", axis=loss)
    last = points.sort("place").unique(["base", "line"], keep="last")
    return {(row["base"], row["line"]): row for row in last.iter_rows(named=True)}


def _gain_column(place: Place) -> Column:
    loss, at = place
    title = "at the end of the line"
    if loss is not None and at is not None:
        points = f"{100 * at:.0f} point{'s' * (round(100 * at) != 1)}"
        title = f"at {points} of {TITLES[loss]}"
    return Column(title, Key("", "", title, ""), 1, "share", signed=True)


def _loss_column(loss: str) -> Column:
    title = f"{TITLES[loss]} lost at the end"
    return Column(title, Key("", "", title, ""), -1, "share", signed=True)


def _entry(row: Row | None) -> Entry:
    if row is None:
        return Entry(None, None, None, 0, 0, 0, "No line was drawn of this training.")
    names = ("value", "low", "high", "n", "n_unscored")
    value, low, high, n, unscored = (row[name] for name in names)
    # Seeds are one estimate here, whose interval is of their mean.
    return Entry(value, low, high, n, unscored, 1, row["reason"])


def _title(lines: list[tuple[str, str]], base: str, recipe: str) -> str:
    several = len({name for name, _ in lines}) > 1
    return f"{base} {recipe_title(recipe)}" if several else recipe_title(recipe)


def _bases(rows: pl.DataFrame, axis: str) -> list[str]:
    """Say what each base does untouched."""
    points = rows.filter(kind="point", axis=axis, place=BASE_PLACE)
    found = points.unique("base").filter(pl.col("value").is_not_null()).sort("base")
    told = [
        f"{row['base']} {100 * row['value']:.1f}"
        f" [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
        for row in found.iter_rows(named=True)
        if row["low"] is not None
    ]
    return [f"The base untouched, in percent: {'; '.join(told)}."] if told else []


def _seeds(rows: pl.DataFrame) -> list[str]:
    several = rows.filter(pl.col("seed").is_not_null())
    named = sorted({recipe_title(recipe) for recipe in several["line"]})
    if not named:
        return []
    return [
        f"Means of several seeds: the lines of {', '.join(named)}. Intervals are over"
        " prompts, not seeds."
    ]

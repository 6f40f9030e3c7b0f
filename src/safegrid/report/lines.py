"""Lines of safety against loss, read from the files that rule `frontier` writes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.records import FRONTIER
from safegrid.report.names import recipe_order, recipe_title

BASE_PLACE = 0
TITLES = {"lost": "benign requests", "capability": "capability"}
"""What each loss is a loss of, in print."""


@dataclass(frozen=True)
class Value:
    """A coordinate in percent or points; a limit that is not known is the value."""

    at: float
    low: float
    high: float


@dataclass(frozen=True)
class Point:
    """A model on a line in the plane of a figure.

    Attributes:
        place: on the line, from 0, the base untouched.
        seed: of a training; None for the mean of all.
        x: what is lost, in points.
        y: safety, in percent.
    """

    place: int
    seed: int | None
    x: Value
    y: Value


@dataclass(frozen=True)
class Line:
    """A training in the plane of a figure.

    Attributes:
        base: that it starts from.
        recipe: whose training it is.
        end: the place of the model in which it ends.
        points: means of seeds that have both coordinates, in order, the base's first.
        seeds: the points of each seed where there are several, the base's first.
    """

    base: str
    recipe: str
    end: int
    points: list[Point]
    seeds: dict[int, list[Point]]

    @property
    def title(self) -> str:
        """The name of its method, or of its recipe, in print."""
        return recipe_title(self.recipe)


def read_lines(files: Iterable[Path | str]) -> pl.DataFrame:
    """Read the lines of a study as one table of FRONTIER rows."""
    tables = [read_table(Path(file), FRONTIER) for file in files]
    return pl.concat([pl.DataFrame(schema=FRONTIER), *tables])


def line_names(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Return base and recipe of every line in print order."""
    found = rows.select("base", "line").unique().rows()
    return sorted(found, key=lambda name: (name[0], recipe_order(name[1])))


def lines(rows: pl.DataFrame, safety: str, loss: str) -> list[Line]:
    """Return every line that has a point beside the base, in print order.

    Args:
        rows: of FRONTIER.
        safety: axis "refused" or "second".
        loss: axis "lost" or "capability".
    """
    found = [_line(rows, *name, safety, loss) for name in line_names(rows)]
    return [line for line in found if len(line.points) > 1]


def _line(rows: pl.DataFrame, base: str, recipe: str, safety: str, loss: str) -> Line:
    points = rows.filter(base=base, line=recipe, kind="point")
    on_y, on_x = _known(points, safety), _known(points, loss)
    both = sorted(on_y.keys() & on_x.keys(), key=lambda key: (key[0], key[1] or 0))
    every = [Point(*key, on_x[key], on_y[key]) for key in both]
    means = [point for point in every if point.seed is None]
    single = sorted({point.seed for point in every if point.seed is not None})
    start = [point for point in means if point.place == BASE_PLACE]
    seeds = {
        seed: [*start, *(point for point in every if point.seed == seed)]
        for seed in single
    }
    # Without the base there is no line: its losses are counted from there.
    end = int(points["place"].to_numpy().max(initial=BASE_PLACE))
    return Line(base, recipe, end, means if start else [], seeds)


def _known(points: pl.DataFrame, axis: str) -> dict[tuple[int, int | None], Value]:
    rows = points.filter(pl.col("value").is_not_null(), axis=axis)
    return {
        (row["place"], row["seed"]): _value(row) for row in rows.iter_rows(named=True)
    }


def _value(row: dict[str, Any]) -> Value:
    at, low, high = (
        100 * (row["value"] if row[name] is None else row[name])
        for name in ("value", "low", "high")
    )
    return Value(at, low, high)


def measured_by(rows: pl.DataFrame, axis: str) -> tuple[str, str] | None:
    """Return judge and metric of an axis; None where no line has it."""
    found = rows.filter(kind="point", axis=axis).select("judge", "metric").unique()
    return None if found.is_empty() else found.sort("judge", "metric").row(0)


def says(rows: pl.DataFrame, axis: str) -> tuple[str, str]:
    """Return in words what an axis of safety measures, and by which judge."""
    judge, metric = measured_by(rows, axis) or (f"no {axis} judge", "")
    done = "answered safely" if metric == "safety" else "refused"
    return f"harmful requests {done}", f"by {judge}"

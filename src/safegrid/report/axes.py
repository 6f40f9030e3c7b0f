"""Axes of scale and of data: safety, benign requests lost and capability along each."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import polars as pl

from safegrid.core.records import Key
from safegrid.cost.registry import of_folder
from safegrid.report.grid import Entry, Grid, ModelRow, ends
from safegrid.report.names import BASE, recipe_title
from safegrid.report.table import SHEETS, Column, Table
from safegrid.report.tables import columns_by_score
from safegrid.study.axes import AxisLine, AxisPoint

MEASURES = ("safety", "benign_requests_lost", "capability")
"""What stands along an axis."""
PLACES = {
    "scale": ("parameters", "No config.json of this base says its shape."),
    "data": ("training rows", "No finished training says how many rows it read."),
}
"""What a place on each axis is, and why it may be unknown."""


class Axis(NamedTuple):
    """Lines of a study along an axis of `PLACES`, with the places that are known."""

    name: str
    lines: Sequence[AxisLine]
    places: Mapping[ModelRow, float]

    def place(self, point: AxisPoint) -> float | None:
        """Return where a point stands: parameters of its base, or training rows."""
        return self.places.get(ModelRow(point.base, point.recipe))


def scale_axis(lines: Sequence[AxisLine], folders: Collection[Path | str]) -> Axis:
    """Return the axis of scale; parameters are those of the shapes in bases' folders.

    Raises:
        DataError: a config.json cannot be read.
    """
    shapes = {Path(folder).name: of_folder(Path(), str(folder)) for folder in folders}
    known = {base: known.shape.parameters for base, known in shapes.items() if known}
    points = (point for line in lines for point in line.points if point.base in known)
    places = {ModelRow(p.base, p.recipe): float(known[p.base]) for p in points}
    return Axis("scale", lines, places)


def data_axis(lines: Sequence[AxisLine], runs: pl.DataFrame) -> Axis:
    """Return the axis of data; rows are those that trainings read, means over seeds."""
    counts: dict[ModelRow, list[float]] = defaultdict(list)
    pairs = runs.filter(kind="training", metric="pairs")
    for subject, rows in pairs.select("subject", "value").rows():
        base, recipe, _ = subject.split("/")
        counts[ModelRow(base, recipe)].append(rows)
    places = {model: fmean(rows) for model, rows in counts.items()}
    return Axis("data", lines, places)


def axis_keys(grid: Grid) -> dict[str, Key]:
    """Return the score that stands for each measure, where the study has one."""
    found = {measure: grid.axis(measure) for measure in MEASURES}
    return {measure: keys[0] for measure, keys in found.items() if keys}


def axis_table(scores: pl.DataFrame, axis: Axis) -> Table:
    """Return the numbers of an axis: a row a model, under the first line that it is on.

    On the axis of data the bases untouched stand first, which read no row.
    """
    grid = Grid(ends(scores))
    keys = list(axis_keys(grid).values())
    first: dict[ModelRow, _Row] = {}
    for row in (*_untouched(grid, axis), *_points(grid, axis)):
        first.setdefault(row.model, row)
    rows = first.values()
    sheet, (title, _) = SHEETS[axis.name], PLACES[axis.name]
    measures = [replace(column, better=0) for column in columns_by_score(keys)]
    return Table(
        axis.name,
        sheet.title,
        sheet.head,
        [row.title for row in rows],
        [Column(title, Key("", "", title, ""), 0, "whole"), *measures],
        [[row.place, *(grid.entry(row.model, key) for key in keys)] for row in rows],
        notes=sheet.notes,
    )


class _Row(NamedTuple):
    title: str
    model: ModelRow
    place: Entry


def _untouched(grid: Grid, axis: Axis) -> Iterator[_Row]:
    for base in dict.fromkeys(line.base for line in axis.lines if line.base):
        model = ModelRow(base, BASE)
        yield _Row(grid.title(model), model, Entry(0.0, seeds=1))


def _points(grid: Grid, axis: Axis) -> Iterator[_Row]:
    _, why = PLACES[axis.name]
    for line in axis.lines:
        for point in line.points:
            model, at = ModelRow(point.base, point.recipe), axis.place(point)
            named = recipe_title(line.name)
            title = grid.title(model, named) if line.base else named
            place = Entry(at, seeds=1, reason=why if at is None else None)
            yield _Row(f"{title}: {point.title}", model, place)

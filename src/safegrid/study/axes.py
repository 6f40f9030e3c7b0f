"""Axes of a study: models that differ in size or data alone, found by their settings.

`scale` joins the bases of a study, `data` the recipes of a base.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pydantic import TypeAdapter

from safegrid.config.training import NONE, Recipe
from safegrid.study import Study

FREE = {"fraction": {"fraction"}, "composition": {"dataset", "categories"}}
"""What the recipes of a line of data may differ in, by its kind."""


class AxisPoint(NamedTuple):
    """A model on a line, all seeds together, and what it has that others have not."""

    base: str
    recipe: str
    title: str


class AxisLine(NamedTuple):
    """Models that differ in one thing alone.

    Attributes:
        kind: `size`, `fraction` or `composition`.
        base: of all its models; empty where bases are what differs.
        name: of the recipe that it is called after, the first of a study's file.
    """

    kind: str
    base: str
    name: str
    points: list[AxisPoint]


def axes(study: Study) -> dict[str, list[AxisLine]]:
    """Return the lines of both axes; none of an axis that a study has not."""
    return {"scale": _sizes(study), "data": list(_data(study))}


def read_lines(text: str) -> list[AxisLine]:
    """Read an axis's lines from the JSON that a job is given."""
    return TypeAdapter(list[AxisLine]).validate_json(text)


def _sizes(study: Study) -> list[AxisLine]:
    """Return a line for each recipe, and one of the bases untouched."""
    own = study.config.study.bases
    found: dict[str, list[AxisPoint]] = defaultdict(list)
    for base, recipe in _ends(study):
        if base in own:
            found[recipe].append(AxisPoint(base, recipe, base))
    lines = (AxisLine("size", "", name, points) for name, points in found.items())
    return [line for line in lines if len(line.points) > 1]


def _data(study: Study) -> Iterator[AxisLine]:
    """Give the lines of every base, those of fractions first."""
    recipes: dict[str, list[Recipe]] = defaultdict(list)
    for base, recipe in _ends(study):
        if recipe != NONE:
            recipes[base].append(study.recipe(recipe))
    for base, own in recipes.items():
        for kind in FREE:
            yield from _alike(kind, base, own)


def _ends(study: Study) -> Iterator[tuple[str, str]]:
    """Give base and recipe of the bases untouched and of the ends of trainings."""
    ends = [(model.base, model.recipe) for model in study.models if model.dose is None]
    yield from dict.fromkeys(ends)


def _alike(kind: str, base: str, recipes: Iterable[Recipe]) -> Iterator[AxisLine]:
    """Give the recipes that are alike in all but what a kind of line leaves free."""
    groups: dict[str, list[AxisPoint]] = defaultdict(list)
    for recipe in recipes:
        same = recipe.model_dump_json(exclude={"name", *FREE[kind]})
        groups[same].append(AxisPoint(base, recipe.name, _title(kind, recipe)))
    for points in groups.values():
        if len({point.title for point in points}) > 1:
            yield AxisLine(kind, base, points[0].recipe, points)


def _title(kind: str, recipe: Recipe) -> str:
    if kind == "fraction":
        return f"{100 * recipe.fraction:g}% of {recipe.dataset}"
    return " ".join([recipe.dataset, *(recipe.categories or [])])

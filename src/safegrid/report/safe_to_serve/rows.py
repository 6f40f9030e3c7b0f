"""The recipes of a Safe to Serve study: which table each belongs to, and its place."""

import re
from typing import NamedTuple

from safegrid.config.doses import split_dose
from safegrid.report.grid import Grid, Model
from safegrid.report.names import BASE, recipe_order, recipe_title

IT = "it"
"""Trained on the instructions alone: what the paper calls Base."""
IT_TITLE = "IT"
BASE_TITLE = "untouched base"
REWARDS = {
    "raft_reward": "RAFT by published reward model",
    "raft_own": "RAFT by own reward model",
    "raft_labels": "RAFT by labels",
}
GROUPS = ("sit", "raft_rewards", "raft_iterations", "dpo")


class Place(NamedTuple):
    """Where a recipe stands.

    Attributes:
        group: one of `GROUPS`.
        number: what its group is sorted by: safety rows, iteration, share of the pairs.
        title: in print.
        tick: the same below an axis of its group.
    """

    group: str
    number: float
    title: str
    tick: str


def place_of(recipe: str) -> Place | None:
    """Return where a recipe stands by its name, None for any other recipe."""
    if recipe in REWARDS:
        tick = REWARDS[recipe].removeprefix("RAFT by ").replace(" ", "\n", 1)
        order = list(REWARDS).index(recipe)
        return Place("raft_rewards", order, REWARDS[recipe], tick)
    if found := re.fullmatch(r"sit_(\d+)", recipe):
        return Place("sit", int(found[1]), f"SIT-{found[1]}", found[1])
    if found := re.fullmatch(r"raft_(\d+)", recipe):
        title = f"RAFT iteration {found[1]}"
        return Place("raft_iterations", int(found[1]), title, found[1])
    if found := re.fullmatch(r"dpo_(\d+)_(\d+)", recipe):
        share = f"{found[1]}/{found[2]}"
        fraction = int(found[1]) / int(found[2])
        return Place("dpo", fraction, f"DPO on {share} of the pairs", share)
    if recipe == "dpo":
        return Place("dpo", 1, "DPO", "1")
    return None


def models_of(grid: Grid, group: str) -> list[Model]:
    """Return the models of a group, `it` first, then by number."""
    found = [model for model in grid.models if _belongs(model, group)]
    return sorted(found, key=lambda model: (model.base, _number(model)))


def every_model(grid: Grid) -> list[Model]:
    """Return all models: the base, `it`, the groups in their order, then the rest."""
    return sorted(grid.models, key=lambda model: (model.base, *_order(model.recipe)))


def title_of(grid: Grid, model: Model) -> str:
    """Return a model's name in print; its base's only where there are several."""
    place = place_of(model.recipe)
    special = {BASE: BASE_TITLE, IT: IT_TITLE}
    name = place.title if place else recipe_title(model.recipe)
    name = special.get(model.recipe, name)
    several = len({other.base for other in grid.models}) > 1
    return f"{model.base} {name}" if several else name


def _belongs(model: Model, group: str) -> bool:
    place = place_of(model.recipe)
    return model.recipe == IT or (place is not None and place.group == group)


def _number(model: Model) -> float:
    place = place_of(model.recipe)
    return place.number if place else -1


def _order(recipe: str) -> tuple[int, float, tuple[int, str, float]]:
    trained, first = split_dose(recipe)[0], [BASE, IT]
    place = place_of(trained)
    if trained in first:
        return (first.index(trained), 0, recipe_order(recipe))
    group = GROUPS.index(place.group) if place else len(GROUPS)
    number = place.number if place else 0
    return (len(first) + group, number, recipe_order(recipe))

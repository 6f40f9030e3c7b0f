"""Resolve a study's recipes: defaults, tuned settings and overrides into one block."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from safegrid.config.documents import Document, merge
from safegrid.config.methods import METHODS, check_method
from safegrid.config.study import BaseEntry, RecipeEntry
from safegrid.config.training import Recipe, Training, beyond

# A base of so many billions of parameters is large, and trained by default like this.
LARGE = 7
LARGE_TRAINING: dict[str, Any] = {
    "precision": "bfloat16",
    "gradient_checkpointing": True,
    "lora": {"r": 16, "lora_alpha": 16, "lora_dropout": 0.05},
}
# How a setting is named in the name of a sweep's recipe.
SHORT = {"learning_rate": "lr"}


def add_defaults_of_size(study: Document, bases: Mapping[str, BaseEntry]) -> None:
    """Give a study that trains a large base the settings that fit on a GPU.

    They stand below everything that the study says: `lora: null` trains all weights.
    """
    known = [bases[name] for name in study.data.get("bases", []) if name in bases]
    if max((base.n_params_b or 0 for base in known), default=0) >= LARGE:
        study.data["training"] = {**LARGE_TRAINING, **study.section("training")}


def resolve_recipes(
    study: Document, methods: Mapping[str, Any], tuned: Mapping[str, Any]
) -> dict[str, Recipe]:
    """Return every recipe of a study, resolved; problems are noted.

    A setting of a recipe wins over one that was tuned for its method, that over the
    study's shared `training`, that over the method's own default. In a sweep study
    each recipe stands once for each point of the grid.
    """
    found: dict[str, Recipe] = {}
    for name, block in study.section("recipes").items():
        key = ("recipes", name, "training")
        entry = study.validate(RecipeEntry, block, key[:2])
        if entry is None or entry.method not in METHODS:
            continue
        for point in sweep_points(study.section("sweep"), entry.method):
            training = merge(
                methods.get(entry.method) or {},
                study.section("training"),
                tuned.get(entry.method, {}),
                entry.training,
                point,
            )
            settings = study.validate(Training, training, key)
            if settings is None:
                continue
            fields = entry.model_dump(exclude={"training"})
            recipe = Recipe(name=sweep_name(name, point), training=settings, **fields)
            for told in (*check_method(recipe), *_faults(study, recipe)):
                study.note(key, f"{recipe.name}: {told}")
            found[recipe.name] = recipe
    return found


def sweep_name(recipe: str, settings: Mapping[str, float]) -> str:
    """Name the variant of a recipe at one point of a sweep."""
    parts = (f"{SHORT.get(key, key)}{value:g}" for key, value in settings.items())
    return "-".join([recipe, *parts])


def sweep_axes(sweep: Mapping[str, list[float]], method: str) -> dict[str, list[float]]:
    """Return what a sweep tries for a method: beta only if it has one."""
    return {k: v for k, v in sweep.items() if k != "beta" or METHODS[method].beta}


def sweep_points(sweep: Mapping[str, list[float]], method: str) -> list[dict[str, Any]]:
    """Return the points of a sweep; without one, the one point that sets nothing."""
    axes = sweep_axes(sweep, method)
    points = itertools.product(*axes.values())
    return [dict(zip(axes, point, strict=True)) for point in points]


def _faults(study: Document, recipe: Recipe) -> Iterator[str]:
    """Yield what of a recipe does not go with the study, a sentence each."""
    training, method = recipe.training, METHODS[recipe.method]
    shared = study.section("training").get("precision", "float32")
    if method.reference and training.precision != shared:
        yield (
            f"precision {training.precision!r} is not the study's {shared!r}, in which"
            " the reference values of all recipes are computed; set"
            " `training.precision` for the study"
        )
    if training.checkpoints and study.section("sweep"):
        yield (
            "a sweep study keeps no checkpoints, because it chooses settings by the end"
            " of each training; remove `checkpoints`"
        )
    elif training.checkpoints and not method.answers:
        yield (
            f"a model of method {recipe.method!r} gives no answers, so its checkpoints"
            " would be measured by nothing; set `checkpoints: []` in its `training`"
        )
    elif training.max_steps is not None:
        yield from beyond(training.checkpoints, training.max_steps)

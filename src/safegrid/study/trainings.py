"""Trainings: what each one reads, and how it is started."""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from safegrid.config.dataset import DatasetSpec
from safegrid.config.methods import METHODS
from safegrid.config.recipes import sweep_axes
from safegrid.config.training import Recipe, Training, dose_name
from safegrid.core.files import sha256_json
from safegrid.runtime.launch import COPIES
from safegrid.study import Study
from safegrid.study.grid import Model


class Subset(NamedTuple):
    """The part of a dataset that a recipe trains on.

    Attributes:
        fraction: of its categories' pairs, above 0 to 1; fractions are nested.
        categories: of the pairs; None for all.
    """

    fraction: float
    categories: list[str] | None


WHOLE = Subset(1.0, None)


def subsets(recipes: Iterable[Recipe]) -> list[Subset]:
    """Return the parts of a dataset that several recipes need together.

    Of the same categories the largest fraction holds the others; where a recipe takes
    all pairs, all are needed.
    """
    largest: dict[str, Subset] = {}
    for recipe in recipes:
        categories = None if recipe.categories is None else sorted(recipe.categories)
        part, key = Subset(recipe.fraction, categories), json.dumps(categories)
        largest[key] = max(part, largest.get(key, part), key=lambda part: part.fraction)
    parts = [largest[key] for key in sorted(largest)]
    return [WHOLE] if WHOLE in parts else parts


def kto_recipe(recipe: Recipe) -> Recipe:
    """Return what of a recipe KTO's mismatched log-probabilities depend on.

    Subset, micro-batch and precision are its own. What else a training needs is the
    same for all recipes, so that an edit of a beta leaves the shared file alone.
    """
    size = recipe.training.per_device_train_batch_size
    training = Training(
        learning_rate=1.0,
        beta=1.0,
        max_steps=1,
        batch=size,
        per_device_train_batch_size=size,
        precision=recipe.training.precision,
    )
    return Recipe(
        name="kto-reference",
        method=recipe.method,
        dataset=recipe.dataset,
        fraction=recipe.fraction,
        categories=recipe.categories,
        training=training,
    )


def kto_key(recipe: Recipe) -> str:
    """Name a file of KTO's mismatched log-probabilities by what they depend on."""
    return sha256_json(kto_recipe(recipe).model_dump(mode="json"))[:12]


def launcher(recipe: Recipe) -> str:
    """Return the words that start the package for a recipe's training.

    It names no place: where the processes run is seen when they start
    (`safegrid.runtime.launch`), so the same recipe is the same param everywhere.
    """
    training = recipe.training
    if training.processes == 1:
        return "python -m"
    sharing = training.accelerate or COPIES
    return f"python -m safegrid.runtime.launch {training.processes} {sharing}"


# ---------------------------------------------------------------- rows


def rows_name(study: Study, model: Model) -> str:
    """Return what the rows that a model is trained on are called below their folders.

    The dataset's name; of one that a model makes, with that model's seed.
    """
    dataset = study.recipe(model.recipe).dataset
    if dataset not in study.generated:
        return dataset
    return f"{dataset}/seed{study.maker(dataset, model.base, model.seed).seed}"


def pairs(study: Study, model: Model) -> str:
    """Return the rows that a model is trained on, as ids."""
    return f"{study.root}/pairs/{model.base}/{rows_name(study, model)}.parquet"


def dataset_of(study: Study, rows: str) -> DatasetSpec:
    """Return the dataset behind rows of that name, whichever model made them."""
    return study.config.study.datasets[rows.partition("/")[0]]


def dataset_file(study: Study, base: str, rows: str) -> str:
    """Return the dataset behind rows of that name, for trainings from a base."""
    made = study.generated.get(rows.partition("/")[0])
    if made is None:
        return f"{study.root}/datasets/{rows}.parquet"
    return f"{study.root}/generated/{made.base or base}/{rows}.parquet"


# ------------------------------------------------- reference log-probabilities


def reference(study: Study, model: Model) -> list[str]:
    """Return reference log-probabilities that a training reads; empty without any."""
    if not METHODS[study.recipe(model.recipe).method].reference:
        return []
    start, rows = study.parent(model), rows_name(study, model)
    return [f"{study.root}/reference/{start.path}/{rows}.parquet"]


def kto_reference(study: Study, model: Model) -> list[str]:
    """Return KTO's mismatched log-probabilities; empty for every other method."""
    recipe = study.recipe(model.recipe)
    if METHODS[recipe.method].trainer != "kto":
        return []
    (shared,) = reference(study, model)
    return [f"{shared.removesuffix('.parquet')}.kto-{kto_key(recipe)}.parquet"]


def kto_recipes(study: Study) -> dict[str, Recipe]:
    """Return what KTO's mismatched log-probabilities are computed by, by their key."""
    recipes = study.config.recipes.values()
    wanting = [r for r in recipes if METHODS[r.method].trainer == "kto"]
    return {kto_key(recipe): kto_recipe(recipe) for recipe in wanting}


def reference_settings(study: Study) -> tuple[str, int]:
    """Return precision and micro-batch of the reference forward: the study's own."""
    shared = study.config.study.training
    size = shared.get("per_device_train_batch_size", 16)
    return shared.get("precision", "float32"), size


def subsets_read(study: Study, start: Model, rows: str) -> list[Subset]:
    """Return the parts of rows whose reference log-probabilities trainings read.

    `start` is the model that they start from.
    """
    return _subsets(study).get(f"{start.path}/{rows}", [WHOLE])


def reference_share(study: Study, model: Model) -> float:
    """Return the share of its rows, at most, whose values a training's file holds."""
    parts = subsets_read(study, study.parent(model), rows_name(study, model))
    return min(1.0, sum(part.fraction for part in parts))


@lru_cache(maxsize=1)
def _subsets(study: Study) -> dict[str, list[Subset]]:
    readers: dict[str, list[Recipe]] = {}
    for model in study.trained:
        recipe = study.recipe(model.recipe)
        if METHODS[recipe.method].reference:
            key = f"{study.parent(model).path}/{rows_name(study, model)}"
            readers.setdefault(key, []).append(recipe)
    return {key: subsets(recipes) for key, recipes in readers.items()}


# ---------------------------------------------------------------- doses, sweeps


def kept_at(study: Study) -> dict[tuple[int, ...], list[str]]:
    """Return the recipes that keep models at the same steps; `()` those without."""
    found: dict[tuple[int, ...], list[str]] = {(): []}
    for name, recipe in study.config.recipes.items():
        found.setdefault(tuple(recipe.training.doses), []).append(name)
    return found


def model_folders(steps: Iterable[int]) -> list[str]:
    """Return the folders that a training writes, for any model: the end, then doses."""
    names = ["{recipe}", *(dose_name("{recipe}", step) for step in steps)]
    return [f"results/{{study}}/models/{{base}}/{name}/seed{{seed}}" for name in names]


def trials(study: Study) -> list[dict[str, Any]]:
    """Return the points of a sweep study: recipe, method and the settings tried."""
    found = []
    for name, recipe in study.config.recipes.items():
        axes = sweep_axes(study.config.study.sweep, recipe.method)
        settings = {axis: getattr(recipe.training, axis) for axis in axes}
        found.append({"recipe": name, "method": recipe.method, "settings": settings})
    return found

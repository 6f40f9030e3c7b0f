"""Launch command of a training run, and what KTO's runs share."""

import json
import shlex
from collections.abc import Iterable
from typing import NamedTuple

from safegrid.config.training import Recipe, Training
from safegrid.core.files import sha256_json
from safegrid.runtime.launch import COPIES


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
    """Return the words, quoted, that start the package for a recipe's training.

    It names no place: where the processes run is seen when they start
    (`safegrid.runtime.launch`), so the same recipe is the same param everywhere.
    """
    training = recipe.training
    if training.processes == 1:
        return "python -m"
    sharing = training.accelerate or COPIES
    words = [
        "python",
        "-m",
        "safegrid.runtime.launch",
        str(training.processes),
        sharing,
    ]
    return shlex.join(words)

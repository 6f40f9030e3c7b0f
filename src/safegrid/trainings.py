"""What a training run is started with: its command, and what KTO's runs share."""

import shlex

from safegrid.config.training import Recipe, Training
from safegrid.files import sha256_json
from safegrid.launch import COPIES


def kto_recipe(recipe: Recipe) -> Recipe:
    """Return what of a recipe KTO's mismatched log-probabilities depend on.

    Subset, micro-batch and precision are its own. What else a training needs is the
    same for all recipes, so that an edit of a beta leaves the shared file alone.
    """
    size = recipe.training.micro_batch
    training = Training(
        learning_rate=1.0,
        beta=1.0,
        steps=1,
        batch=size,
        micro_batch=size,
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
    (`safegrid.launch`), so the same recipe is the same param everywhere.
    """
    training = recipe.training
    if training.processes == 1:
        return "python -m"
    sharing = training.accelerate or COPIES
    words = ["python", "-m", "safegrid.launch", str(training.processes), sharing]
    return shlex.join(words)

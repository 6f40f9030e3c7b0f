"""Doses: models that a recipe keeps along its training, named `{recipe}@{step}`.

A dose is the model after so many of the training's steps; the end of the training is
the model with the recipe's plain name.
"""

import re
from collections.abc import Iterable, Mapping

from safegrid.config.training import Recipe

# No name of a recipe holds an @.
_DOSE = re.compile(r"(?P<recipe>[^@]+)@(?P<step>[1-9][0-9]*)")


def dose_name(recipe: str, step: int) -> str:
    """Name the model that a recipe keeps at a step of its training."""
    return f"{recipe}@{step}"


def split_dose(name: str) -> tuple[str, int | None]:
    """Return the recipe that a model is trained by, and the step of a dose.

    Returns:
        `nca` and 10 for `nca@10`; the name itself and None for the end of a training.
    """
    found = _DOSE.fullmatch(name)
    return (found["recipe"], int(found["step"])) if found else (name, None)


def model_names(recipe: Recipe) -> list[str]:
    """Name all models of a recipe, in order of their steps, the end last."""
    doses = [dose_name(recipe.name, step) for step in recipe.training.doses]
    return [*doses, recipe.name]


def beyond(steps: Iterable[int], end: int) -> list[str]:
    """Say which steps a training has not; nothing where it has them all."""
    late = [str(step) for step in steps if step > end]
    if not late:
        return []
    return [
        f"`checkpoints` names step {', '.join(late)}, and the training ends after"
        f" {end} steps; remove it, or train longer"
    ]


def why_no_dose(name: str, recipes: Mapping[str, Recipe]) -> str | None:
    """Say why a dose is no model of the study; None where it is one, or no dose.

    Args:
        name: of a model.
        recipes: of the study, resolved; of one that is not among them nothing is said.
    """
    recipe = recipes.get(split_dose(name)[0])
    step = split_dose(name)[1]
    if recipe is None or step is None or name in model_names(recipe):
        return None
    training = recipe.training
    if step == training.max_steps:
        return (
            f"got {name!r}: step {step} is the end of that training, whose model is"
            f" named {recipe.name!r}"
        )
    if training.max_steps is not None and step > training.max_steps:
        return (
            f"got {name!r}: {recipe.name!r} is trained for {training.max_steps} steps"
        )
    kept = ", ".join(map(str, training.doses)) or "none"
    return (
        f"got {name!r}, and {recipe.name!r} keeps no checkpoint at step {step} (kept:"
        f" {kept}); add it to `checkpoints` of its `training`"
    )

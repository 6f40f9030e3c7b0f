"""Models: their folders, and what each training reads."""

import json
from collections.abc import Iterable
from functools import cached_property
from typing import Any

from safegrid.config.doses import dose_name
from safegrid.config.methods import METHODS
from safegrid.config.training import NONE, Recipe
from safegrid.study.grid import Model
from safegrid.study.rows import RowFiles
from safegrid.study.trainings import (
    WHOLE,
    Subset,
    kto_key,
    kto_recipe,
    launcher,
    subsets,
)


class ModelFiles(RowFiles):
    """A study, asked for its models and for what they are trained with."""

    def model_dir(self, model: Model) -> str:
        """The folder of a model; `none` is the base's own."""
        if model.recipe == NONE:
            return f"results/bases/{model.base}"
        return f"{self.root}/models/{model.path}"

    def stack(self, model: Model) -> list[str]:
        """Folders that make a model: a full model, then adapters merged in order."""
        if model.recipe == NONE or self.recipe(model.recipe).training.lora is None:
            return [self.model_dir(model)]
        return [*self.stack(self.parent(model)), self.model_dir(model)]

    def start_stack(self, model: Model) -> list[str]:
        """Folders of the model that a training starts from."""
        return self.stack(self.parent(model))

    def model_priority(self, model: Model) -> int:
        """How early a model's answers are asked for: model by model.

        An engine serves all cells of its model before the next model's is started:
        fewer engine starts, the same results.
        """
        return self._priorities[model]

    @cached_property
    def _priorities(self) -> dict[Model, int]:
        return {model: n for n, model in enumerate(reversed(self.models), 1)}

    def engine_block(self, base: str) -> str:
        """The engine of a base's models, as those who ask are given it."""
        return self.engine(base).model_dump_json()

    # ---------------------------------------------------------------- recipes

    def recipe_block(self, recipe: str) -> str:
        """A resolved recipe, as training is given it."""
        return self.recipe(recipe).model_dump_json()

    def recipe_launcher(self, recipe: str) -> str:
        """The command that a recipe's training is started with."""
        return launcher(self.recipe(recipe))

    def recipe_data_seed(self, recipe: str) -> int:
        """The seed of the dataset that a recipe trains on."""
        return self.config.study.datasets[self.recipe(recipe).dataset].seed

    def trials(self) -> list[dict[str, Any]]:
        """The points of a sweep study: recipe, method and the settings tried."""
        axes = list(self.config.study.sweep)
        return [
            {
                "recipe": name,
                "method": recipe.method,
                "settings": {
                    axis: getattr(recipe.training, axis)
                    for axis in axes
                    if axis != "beta" or METHODS[recipe.method].beta
                },
            }
            for name, recipe in self.config.recipes.items()
        ]

    # ---------------------------------------------------------------- doses

    def kept_at(self) -> dict[tuple[int, ...], list[str]]:
        """The recipes that keep models at the same steps; `()` are those without."""
        found: dict[tuple[int, ...], list[str]] = {(): []}
        for name, recipe in self.config.recipes.items():
            found.setdefault(tuple(recipe.training.doses), []).append(name)
        return found

    def model_folders(self, steps: Iterable[int]) -> list[str]:
        """The folders that a training writes, for any model: the end, then doses."""
        names = ["{recipe}", *(dose_name("{recipe}", step) for step in steps)]
        return [
            f"results/{{study}}/models/{{base}}/{name}/seed{{seed}}" for name in names
        ]

    # ------------------------------------------------- reference log-probabilities

    def reference(self, model: Model) -> list[str]:
        """Reference log-probabilities that a training reads; empty without any."""
        recipe = self.recipe(model.recipe)
        if not METHODS[recipe.method].reference:
            return []
        return [f"{self._reference_folder(model)}/{self.rows_name(model)}.parquet"]

    def reference_subsets(self, base: str, recipe: str, seed: str, rows: str) -> str:
        """The parts of a dataset whose log-probabilities trainings read, as JSON.

        Args:
            base: of the start model, like the next two.
            recipe: `none` for the base itself.
            seed: of the start model.
            rows: of the dataset.
        """
        file = f"{self.root}/reference/{base}/{recipe}/seed{seed}/{rows}.parquet"
        return json.dumps(self._subsets.get(file, [WHOLE]))

    def reference_share(self, model: Model) -> float:
        """The share of a dataset, at most, whose values trainings read."""
        (file,) = self.reference(model)
        return min(1.0, sum(part.fraction for part in self._subsets[file]))

    @cached_property
    def _subsets(self) -> dict[str, list[Subset]]:
        """What is needed of each file of reference log-probabilities."""
        readers: dict[str, list[Recipe]] = {}
        for model in self.trained:
            for file in self.reference(model):
                readers.setdefault(file, []).append(self.recipe(model.recipe))
        return {file: subsets(recipes) for file, recipes in readers.items()}

    def kto_reference(self, model: Model) -> list[str]:
        """KTO's mismatched log-probabilities; empty for every other method."""
        recipe = self.recipe(model.recipe)
        if METHODS[recipe.method].trainer != "kto":
            return []
        name = f"{self.rows_name(model)}.kto-{kto_key(recipe)}.parquet"
        return [f"{self._reference_folder(model)}/{name}"]

    @property
    def reference_settings(self) -> tuple[str, int]:
        """Precision and micro-batch of the reference forward: the study's own."""
        training = self.config.study.training
        return training.get("precision", "float32"), training.get(
            "per_device_train_batch_size", 16
        )

    def _reference_folder(self, model: Model) -> str:
        return f"{self.root}/reference/{self.parent(model).path}"

    def kto_recipes(self) -> dict[str, Recipe]:
        """What KTO's mismatched log-probabilities are computed by, by their key."""
        return {
            kto_key(recipe): kto_recipe(recipe)
            for recipe in self.config.recipes.values()
            if METHODS[recipe.method].trainer == "kto"
        }

    def kto_block(self, key: str) -> str:
        """The same of one key, as its job is given it."""
        return self.kto_recipes()[key].model_dump_json()

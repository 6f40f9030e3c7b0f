"""Check the graph of recipes and datasets: what starts from what, who makes what."""

from collections.abc import Mapping
from typing import Any

from safegrid.config.documents import Document, KeyPath
from safegrid.config.generated import GENERATED
from safegrid.config.methods import METHODS
from safegrid.config.source import INSTRUCTION_FORMATS, SourceSpec
from safegrid.config.training import NONE, Recipe, split_dose, why_no_dose

Blocks = dict[str, dict[str, Any]]


class Graph:
    """The recipes and datasets of a study, as they are written.

    Attributes:
        resolved: the recipes that are whole.
        seeds: with which recipes are trained that have none of their own; empty where
            they are not known.
    """

    def __init__(
        self,
        study: Document,
        sources: Mapping[str, SourceSpec],
        resolved: Mapping[str, Recipe],
        seeds: list[int],
    ) -> None:
        """Take what a study says, and the sources of the registry."""
        self.study, self.sources = study, sources
        self.recipes: Blocks = study.section("recipes")
        self.datasets: Blocks = study.section("datasets")
        self.resolved, self.seeds = resolved, seeds

    def check(self) -> None:
        """Note recipes and datasets that cannot be made of what they name."""
        for name in self.recipes:
            self._check_start(name)
            self._check_base(name)
            self._check_seeds(name)
            self._check_rows(name)
        for name, block in self.datasets.items():
            for origin in GENERATED:
                if block.get(origin) is not None:
                    self._check_made(name, origin, block[origin])

    def _check_start(self, name: str) -> None:
        start, key = self.recipes[name].get("init_from"), ("recipes", name, "init_from")
        lacks = "its model gives scores, and nothing to start from"
        self._check_model(key, start, list(self.recipes), lacks)
        if name in self._behind(name):
            own = f"got {start!r}: it" if start is not None else "it"
            told = f"{own} starts from itself, or its rows are made by it"
            self.study.note(key, told)

    def _check_model(
        self, key: KeyPath, named: str | None, known: list[str], lacks: str
    ) -> None:
        """Check that a model which is named is made, is kept, and answers."""
        if named is None:
            return
        recipe = split_dose(named)[0]
        if recipe not in known:
            self.study.unknown(key, named, "recipe", known)
        elif recipe in self.recipes and not _answers(self.recipes[recipe]):
            self.study.note(key, f"got {named!r}: {lacks}")
        if why := why_no_dose(named, self.resolved):
            self.study.note(key, why)

    def _behind(self, name: str) -> set[str]:
        """Return every recipe that must be trained before a recipe."""
        seen: set[str] = set()
        ahead = self._parents(name)
        while ahead:
            parent = ahead.pop()
            if parent in self.recipes and parent not in seen:
                seen.add(parent)
                ahead += self._parents(parent)
        return seen

    def _parents(self, name: str) -> list[str]:
        recipe = self.recipes[name]
        dataset = self.datasets.get(str(recipe.get("dataset")), {})
        made = [dataset.get(origin) or {} for origin in GENERATED]
        models = [recipe.get("init_from"), *(block.get("recipe") for block in made)]
        return [split_dose(model)[0] for model in models if model is not None]

    def _check_seeds(self, name: str) -> None:
        """Check that a recipe has a model to start from at each of its seeds."""
        recipe = self.resolved.get(name)
        if recipe is None or recipe.init_from is None:
            return
        start = self.resolved.get(split_dose(recipe.init_from)[0])
        if start is None or not (there := start.seeds or self.seeds):
            return
        if lacking := set(recipe.seeds or self.seeds) - set(there):
            seeds = ", ".join(map(str, sorted(lacking)))
            told = f"is not trained with seed {seeds}; add it to its `seeds`"
            self.study.note(("recipes", name, "init_from"), f"{start.name!r} {told}")

    def _check_base(self, name: str) -> None:
        """Check a base of its own: answers are compared with those of the study's."""
        recipe, key = self.recipes[name], ("recipes", name, "base")
        base = recipe.get("base")
        start = self.recipes.get(split_dose(recipe.get("init_from") or "")[0], {})
        if start.get("base") not in (None, base):
            told = f"it starts from a recipe of base {start['base']!r} only"
            self.study.note(key, told)
        known = base is None or base in self.study.data.get("bases", [])
        if not known and (_answers(recipe) or start):
            self.study.note(
                key,
                f"got {base!r}, which is none of the study's bases; only a"
                " recipe of method 'reward' that starts from it may have another",
            )

    def _check_rows(self, name: str) -> None:
        """Check that a method which compares answers has two of them to compare."""
        recipe = self.recipes[name]
        dataset, method = str(recipe.get("dataset")), recipe.get("method")
        block = self.datasets.get(dataset, {})
        source = self.sources.get(str(block.get("source")))
        instructions = (
            block.get("parts")
            or block.get("best_of_k")
            or (source is not None and source.format in INSTRUCTION_FORMATS)
        )
        if instructions and method != "sft":
            self.study.note(
                ("recipes", name, "dataset"),
                f"{dataset!r} holds instructions with one answer each, and method"
                f" {method!r} compares two; take a dataset of preference pairs, or"
                " method 'sft'",
            )

    def _check_made(self, name: str, origin: str, made: dict[str, Any]) -> None:
        """Check the name of a dataset that a model makes, and the model."""
        key = ("datasets", name, origin)
        if name in self.study.section("benchmarks"):
            self.study.note(
                key,
                "a benchmark has this name; a dataset that a model makes"
                " is asked like one, and needs a name of its own",
            )
        model, base = made.get("recipe"), made.get("base")
        makers = [NONE, *self.recipes]
        self._check_model((*key, "recipe"), model, makers, "its model gives no answers")
        known = list(self.study.data.get("bases", []))
        if model == NONE:
            known += self.study.data.get("compared", [])
        if base is not None and base not in known:
            self.study.unknown((*key, "base"), base, "base of the study", known)


def _answers(recipe: dict[str, Any]) -> bool:
    method = METHODS.get(str(recipe.get("method")))
    return method is None or method.answers

"""The grid of a study: base x recipe x seed x benchmark, by name.

Nothing here touches the disk or imports anything heavy.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from safegrid.config.blocks import NONE, Recipe
from safegrid.config.load import Config
from safegrid.config.study import BenchmarkSpec


@dataclass(frozen=True, order=True)
class Model:
    """base x recipe x seed; recipe `none` is the base untouched, with seed 0 only."""

    base: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """The part of a path that names this model."""
        return f"{self.base}/{self.recipe}/seed{self.seed}"


@dataclass(frozen=True)
class Cell:
    """model x benchmark: what a user reruns alone."""

    model: Model
    benchmark: str

    @property
    def path(self) -> str:
        """The part of a path that names this cell."""
        return f"{self.model.path}/{self.benchmark}"


class Grid:
    """The models and cells of a resolved study."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.name = config.study.name

    @cached_property
    def models(self) -> list[Model]:
        """All models, `none` first."""
        seeds, recipes = self.config.study.seeds, self.config.recipes
        return [
            *(Model(base, NONE, 0) for base in self.bases),
            *(
                Model(base, recipe, seed)
                for base in self.config.study.bases
                for recipe in recipes
                for seed in seeds
            ),
        ]

    @property
    def bases(self) -> list[str]:
        """The bases that are trained, then those that are only measured."""
        entry = self.config.study
        return list(dict.fromkeys([*entry.bases, *entry.compared]))

    @property
    def trained(self) -> list[Model]:
        """The models that a training run makes."""
        return [model for model in self.models if model.recipe != NONE]

    @property
    def prompted(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks that our own engine answers prompt by prompt."""
        return {
            name: spec
            for name, spec in self.config.benchmarks.items()
            if spec.metric != "capability"
        }

    @property
    def suites(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks that lm-evaluation-harness runs."""
        return {
            name: spec
            for name, spec in self.config.benchmarks.items()
            if spec.metric == "capability"
        }

    @property
    def safety(self) -> list[str]:
        """The benchmarks whose mean is the global safety score."""
        return [n for n, s in self.prompted.items() if s.metric == "safety"]

    def cells(self, benchmarks: dict[str, BenchmarkSpec]) -> Iterator[Cell]:
        """Every model with every one of these benchmarks."""
        return (Cell(model, name) for model in self.models for name in benchmarks)

    def recipe(self, name: str) -> Recipe:
        """Return a resolved recipe by name."""
        return self.config.recipes[name]

    def parent(self, model: Model) -> Model:
        """The model that a recipe starts from: at the same seed, or the base."""
        start = self.recipe(model.recipe).start
        if start is None:
            return Model(model.base, NONE, 0)
        return Model(model.base, start, model.seed)

    def base_cell(self, cell: Cell) -> Cell:
        """The same benchmark under the base untouched, which differences refer to."""
        return Cell(Model(cell.model.base, NONE, 0), cell.benchmark)


def one_of(names: Iterable[str]) -> str:
    """Return the pattern of a wildcard that may only take these names."""
    return "|".join(re.escape(name) for name in names) or r"(?!)"

"""The grid of a study: base x recipe x seed x benchmark, by name.

Nothing here touches the disk or imports anything heavy.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from safegrid.config.benchmark import AskedSpec, BenchmarkSpec
from safegrid.config.doses import dose_name, model_names, split_dose
from safegrid.config.engine import EngineSpec
from safegrid.config.generated import (
    BestOfKSpec,
    CorrectionsSpec,
    GeneratedSpec,
    RejectedByModelSpec,
)
from safegrid.config.load import Config
from safegrid.config.methods import METHODS
from safegrid.config.training import NONE, Recipe

Generated = TypeVar("Generated", bound=GeneratedSpec)
# The metrics of benchmarks that no model answers prompt by prompt.
UNANSWERED = ("capability", "reference_likelihood")


@dataclass(frozen=True, order=True)
class Model:
    """base x recipe x seed; recipe `none` is the base untouched, with seed 0 only.

    Recipe `nca@10` is a dose: the model after 10 steps of the training of `nca`.
    """

    base: str
    recipe: str
    seed: int

    @property
    def path(self) -> str:
        """The part of a path that names this model."""
        return f"{self.base}/{self.recipe}/seed{self.seed}"

    @property
    def trained_as(self) -> str:
        """The recipe whose training this model is of, without the dose."""
        return split_dose(self.recipe)[0]

    @property
    def dose(self) -> int | None:
        """The step of that training; None at its end, and for the base untouched."""
        return split_dose(self.recipe)[1]


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
    """The models and cells of a resolved study.

    Attributes:
        sources_dir: the folder that `path` of a source, a base or a judge is below;
            None where nobody says it.
    """

    def __init__(self, config: Config, sources_dir: str | None = None) -> None:
        self.config = config
        self.sources_dir = sources_dir
        self.name = config.study.name
        self.root = f"results/{self.name}"

    @cached_property
    def models(self) -> list[Model]:
        """All models that give answers, `none` first, doses before their end."""
        answering = [m for m in self.trained if METHODS[self._method(m)].answers]
        return [
            *(Model(base, NONE, 0) for base in self.bases),
            *(model for end in answering for model in [*self.doses(end), end]),
        ]

    @cached_property
    def trained(self) -> list[Model]:
        """The models in which a training run ends, reward models among them."""
        study, own = self.config.study, self.config.own_bases
        return [
            Model(base, recipe, seed)
            for base in self.trained_bases
            for recipe in self.config.recipes
            if base == own.get(recipe, base) and (recipe in own or base in study.bases)
            for seed in self.seeds(recipe)
        ]

    @property
    def recipe_names(self) -> list[str]:
        """Every name that a model may have as its recipe."""
        recipes = self.config.recipes.values()
        return [NONE, *(name for recipe in recipes for name in model_names(recipe))]

    def doses(self, end: Model) -> list[Model]:
        """The models that are kept along the training that ends in a model."""
        steps = self.recipe(end.recipe).training.doses
        return [replace(end, recipe=dose_name(end.recipe, step)) for step in steps]

    @property
    def bases(self) -> list[str]:
        """The bases that are asked: those of the study, then those to compare with."""
        entry = self.config.study
        return list(dict.fromkeys([*entry.bases, *entry.compared]))

    def engine(self, base: str) -> EngineSpec:
        """The engine that answers for a base and what is trained from it."""
        study = self.config.study
        return study.engines.get(base, study.engine)

    @property
    def trained_bases(self) -> list[str]:
        """The bases that models are trained from: those of the study, then others."""
        own = self.config.own_bases.values()
        return list(dict.fromkeys([*self.config.study.bases, *own]))

    @property
    def all_bases(self) -> list[str]:
        """Every base that the study uses."""
        return list(dict.fromkeys([*self.bases, *self.trained_bases]))

    @cached_property
    def prompted(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks that our own engine answers prompt by prompt."""
        benchmarks = self.config.benchmarks.items()
        return {n: spec for n, spec in benchmarks if spec.metric not in UNANSWERED}

    @cached_property
    def suites(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks that lm-evaluation-harness runs."""
        return self._of_metric("capability")

    @cached_property
    def likelihoods(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks whose known answers a model reads, and writes none."""
        return self._of_metric("reference_likelihood")

    @property
    def with_overlap(self) -> list[str]:
        """The benchmarks whose prompts may stand in the training data."""
        return [*self.prompted, *self.likelihoods]

    def _of_metric(self, metric: str) -> dict[str, BenchmarkSpec]:
        benchmarks = self.config.benchmarks.items()
        return {name: spec for name, spec in benchmarks if spec.metric == metric}

    @property
    def safety(self) -> list[str]:
        """The benchmarks whose mean is the global safety score."""
        return [n for n, s in self.prompted.items() if s.metric == "safety"]

    @cached_property
    def pools(self) -> dict[str, AskedSpec]:
        """What models are asked so that datasets can be made: whole datasets, or parts.

        The prompts of corrections, and those whose chosen answer is known, are no
        benchmark's kind, and are prepared by rules of their own.
        """
        return {
            pool: AskedSpec(
                prompts=spec.prompts if isinstance(spec, BestOfKSpec) else None,
                decode=spec.decoding,
                judges=spec.judges,
            )
            for name, spec in self.generated.items()
            for pool in spec.pools(name)
        }

    @cached_property
    def generated(self) -> dict[str, GeneratedSpec]:
        """The datasets that a model makes."""
        datasets = self.config.study.datasets.items()
        return {
            name: spec.generated
            for name, spec in datasets
            if spec.generated is not None
        }

    @property
    def best_of_k(self) -> dict[str, BestOfKSpec]:
        """Those of them that are the best of several answers."""
        return self._generated_as(BestOfKSpec)

    @property
    def corrected(self) -> dict[str, CorrectionsSpec]:
        """Those of them that are course corrections."""
        return self._generated_as(CorrectionsSpec)

    @property
    def rejected_by_model(self) -> dict[str, RejectedByModelSpec]:
        """Those of them whose rejected answers are a model's own."""
        return self._generated_as(RejectedByModelSpec)

    def _generated_as(self, kind: type[Generated]) -> dict[str, Generated]:
        return {n: spec for n, spec in self.generated.items() if isinstance(spec, kind)}

    @cached_property
    def asked(self) -> dict[str, AskedSpec]:
        """All that a model is given prompt by prompt: benchmarks and pools."""
        return {**self.prompted, **self.likelihoods, **self.pools}

    @property
    def with_prompts(self) -> list[str]:
        """Benchmarks and pools whose prompts are rows of a source as they stand."""
        return [name for name, spec in self.asked.items() if spec.prompts is not None]

    def maker(self, dataset: str, base: str, seed: int) -> Model:
        """The model that makes a dataset for a training with a seed."""
        spec = self.generated[dataset]
        own = self.maker_base(dataset, base)
        if spec.recipe == NONE:
            return Model(own, NONE, 0)
        return Model(own, spec.recipe, seed if spec.seed == "same" else spec.seed)

    def maker_base(self, dataset: str, base: str) -> str:
        """The base of the model that makes a dataset for trainings from a base."""
        return self.generated[dataset].base or base

    def pool_cells(self) -> list[Cell]:
        """Every model with every prompt pool that it answers, without repetition."""
        return list(self._pool_cells)

    def prompted_cells(self) -> list[Cell]:
        """All that is asked prompt by prompt: benchmarks, and pools once."""
        return [*self.cells(self.prompted), *self.pool_cells()]

    def pools_of(self, model: Model) -> list[Cell]:
        """A model with every prompt pool that it answers."""
        return self._pools_by_model.get(model, [])

    @cached_property
    def _pool_cells(self) -> dict[Cell, None]:
        return dict.fromkeys(
            Cell(self.maker(name, model.base, model.seed), pool)
            for model in self.trained
            if (name := self.recipe(model.recipe).dataset) in self.generated
            for pool in self.generated[name].pools(name)
        )

    @cached_property
    def _pools_by_model(self) -> dict[Model, list[Cell]]:
        found: dict[Model, list[Cell]] = {}
        for cell in self._pool_cells:
            found.setdefault(cell.model, []).append(cell)
        return found

    def cells(self, benchmarks: dict[str, BenchmarkSpec]) -> Iterator[Cell]:
        """Every model with every one of these benchmarks."""
        return (Cell(model, name) for model in self.models for name in benchmarks)

    def _method(self, model: Model) -> str:
        return self.recipe(model.recipe).method

    def recipe(self, name: str) -> Recipe:
        """Return a resolved recipe by its name, or by that of one of its doses."""
        return self.config.recipes[split_dose(name)[0]]

    def seeds(self, recipe: str) -> list[int]:
        """The seeds that a recipe is trained with."""
        return self.recipe(recipe).seeds or self.config.study.seeds

    def parent(self, model: Model) -> Model:
        """The model that a recipe starts from: at the same seed, or the base."""
        start = self.recipe(model.recipe).init_from
        if start is None:
            return Model(model.base, NONE, 0)
        return Model(model.base, start, model.seed)

    def base_cell(self, cell: Cell) -> Cell:
        """The same benchmark under the base untouched, which differences refer to."""
        return Cell(Model(cell.model.base, NONE, 0), cell.benchmark)


def one_of(names: Iterable[str]) -> str:
    """Return the pattern of a wildcard that may only take these names."""
    return "|".join(re.escape(name) for name in names) or r"(?!)"

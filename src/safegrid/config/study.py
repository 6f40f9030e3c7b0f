"""The documents of a study as they stand in YAML, before names are resolved."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from safegrid.config.block import (
    Above0,
    Block,
    From0,
    Name,
    Part,
    Positive,
    Seed,
    Seeds,
    Share,
)
from safegrid.config.dataset import DatasetSpec
from safegrid.config.engine import Decode, EngineSpec
from safegrid.config.head import (
    DEFAULT,
    Feature,
    HeadSpec,
    LabelledFile,
    check_head,
)
from safegrid.config.judge import JudgeSpec
from safegrid.config.prompt import PromptSpec
from safegrid.config.upstream import ModelUpstream

RowFunction = Literal["musr_questions", "with_sentences", "without_sentences"]
Metric = Literal[
    "safety",
    "toxicity",
    "over_refusal",
    "helpfulness",
    "correction",
    "capability",
    "reference_likelihood",
]
# Each point of a sweep is a training for each recipe and seed.
MOST_POINTS = 1000


class AskedSpec(Block):
    """What a model is asked, how it answers, and who judges the answers.

    Attributes:
        version: covers prompts and decoding; raise it when their meaning changes.
        prompts: where the prompts come from; null for capability suites.
        decode: how answers are drawn; null where no model answers.
    """

    version: Positive = 1
    prompts: PromptSpec | None = None
    decode: Decode | None = None
    judges: list[str] = []


class BenchmarkSpec(AskedSpec):
    """A benchmark: prompts, how to generate, which judges, which metric.

    Attributes:
        tasks: names of a capability suite's tasks: of the source's own files, of the
            registry (`TaskEntry`), or shipped with lm-evaluation-harness.
        task_source: source whose folder holds task files; null where none is needed.
        limit: items a task, null for all.
    """

    metric: Metric
    tasks: list[str] = []
    task_source: str | None = None
    limit: Positive | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_no_old_keys(cls, values: Any) -> Any:
        if isinstance(values, dict) and "off_language" in values:
            raise ValueError(
                "`off_language` is no key any more: remove it. A judge of kind"
                " 'fluency' has its threshold from fluent texts of the study"
            )
        return values


class BenchmarkEntry(BenchmarkSpec):
    """A benchmark as a study writes it; what it does not say, the registry does.

    Attributes:
        like: the entry of the registry that it starts from; null for that of its name.
    """

    like: str | None = None


class TaskEntry(Block):
    """A task that lm-evaluation-harness ships, over rows of a source.

    Prompt, filters and metrics are the shipped task's; only its rows are ours.

    Attributes:
        like: the shipped task's YAML, inside the harness's folder of tasks.
        source: name in the registry of sources.
        files: a split of the shipped task, and the short name of the file that is it.
        field: json only: the key under which the rows stand; null for a file of rows.
        rows: a function of `safegrid.capability.rows` that the rows go through first.
        settings: other keys of the shipped task's YAML, with other values.
        runs_code: its metric runs what a model wrote, if the user consents.
    """

    like: str
    source: str
    files: dict[str, str] = Field(min_length=1)
    field: str | None = None
    rows: RowFunction | None = None
    settings: dict[str, Any] = {}
    runs_code: bool = False


class JudgeEntry(JudgeSpec, ModelUpstream):
    """A judge of the registry: how it is read, and where it comes from.

    Attributes:
        recipe: the study's own recipe of method `reward` whose model it is.
        encoder: name in the registry of encoders: the model whose vectors it reads.
        verdicts_source: method `file` only: source of format `verdicts`.
        verdicts_file: the file of that source.
        labelled_source: source of rows with known labels that it did not train on.
        labelled_file: the file of that source.
        trained_on: method `text_head` only: the labelled rows that it is trained on.
        features: method `text_head` only: parts of a row that its regression reads.
        max_words: method `text_head` only: words of a text that are read.
        regularisation: method `text_head` only: strength of the L2 penalty, 1/C.
    """

    recipe: str | None = None
    encoder: str | None = None
    verdicts_source: str | None = None
    verdicts_file: str | None = None
    labelled_source: str | None = None
    labelled_file: str | None = None
    trained_on: list[LabelledFile] = []
    features: list[Feature] = list(DEFAULT)
    max_words: Positive = 60
    regularisation: Above0 = 0.1

    @model_validator(mode="after")
    def _is_trained(self) -> "JudgeEntry":
        if fault := next(check_head(self), None):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _has_its_own_verdicts(self) -> "JudgeEntry":
        named = [n for n in ("verdicts_source", "verdicts_file") if getattr(self, n)]
        if self.method == "file" and len(named) < 2:
            raise ValueError(
                "method 'file' needs `verdicts_source` and `verdicts_file`: where its"
                " verdicts are"
            )
        if self.method == "file" and self.labelled_source is not None:
            raise ValueError(
                "method 'file' judges no other rows than its file's: remove"
                " `labelled_source`"
            )
        if self.method != "file" and named:
            raise ValueError(f"`{named[0]}` is for method 'file': remove it, or say so")
        return self

    @model_validator(mode="after")
    def _recipe_gives_rewards(self) -> "JudgeEntry":
        if self.recipe and (self.kind, self.method) != ("reward", "model"):
            raise ValueError(
                "`recipe` names a reward model of the study: it needs kind 'reward' and"
                f" method 'model', got {self.kind!r} and {self.method!r}"
            )
        return self

    @model_validator(mode="after")
    def _gguf_is_a_language_model(self) -> "JudgeEntry":
        if self.gguf and self.kind not in ("guard", "correction"):
            raise ValueError(
                f"kind {self.kind!r} reads the head of a classifier, which a `gguf`"
                " file has none of: give safetensors, or take kind 'guard' or"
                " 'correction'"
            )
        return self

    def head(self) -> HeadSpec:
        """Return what training a text head needs, without provenance."""
        fields = set(HeadSpec.model_fields)
        return HeadSpec.model_validate(self.model_dump(include=fields))

    def spec(self) -> JudgeSpec:
        """Return what the judging stage needs, without provenance."""
        fields = set(JudgeSpec.model_fields)
        return JudgeSpec.model_validate(self.model_dump(include=fields))


class RecipeEntry(Block):
    """A recipe as a study writes it; `training` overrides what it inherits.

    Attributes:
        base: the one base that it is made of; null for each of the study's bases.
        seeds: training seeds of its own; null for those of the study.
    """

    method: str
    dataset: str
    base: str | None = None
    start: str | None = None
    fraction: Part = 1.0
    categories: list[str] | None = None
    seeds: Seeds | None = None
    training: dict[str, Any] = {}


class BaseEntry(ModelUpstream):
    """A base of the registry: where its folder comes from.

    Attributes:
        billions: its parameters; from 7 on training defaults are those of a large one.
    """

    billions: Above0 | None = None


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

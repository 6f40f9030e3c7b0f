"""Benchmarks: what a model is asked, who judges the answers, and tasks."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from safegrid.config.block import Block, Positive
from safegrid.config.engine import Decode
from safegrid.config.names import FileOf, Named
from safegrid.config.prompt import PromptSpec

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


class AskedSpec(Block):
    """What a model is asked, how it answers, and who judges the answers.

    Attributes:
        version: covers prompts and decoding; raise it when their meaning changes
        prompts: [where prompts come from](#prompts); null for capability
        decode: [how answers are drawn](#decoding); null for capability and
            `reference_likelihood`
        judges: names of [judges](#judgesyaml); none for capability and
            `reference_likelihood`
    """

    version: Positive = 1
    prompts: PromptSpec | None = None
    decode: Decode | None = None
    judges: list[Annotated[str, Named("judge")]] = []


class BenchmarkSpec(AskedSpec):
    """A benchmark: prompts, how to generate, which judges, which metric.

    Attributes:
        metric: `safety`, `toxicity`, `over_refusal`, `helpfulness`, `correction`,
            `capability` or `reference_likelihood`
        tasks: capability: names of the source's own tasks, of [tasks.yaml](#tasksyaml),
            or of tasks that lm-evaluation-harness ships
        task_source: capability: [source](#sourcesyaml) of local task files; null where
            none is needed
        limit: capability: items a task, null for all
    """

    metric: Metric
    tasks: list[str] = []
    task_source: Annotated[str | None, Named("source")] = None
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
        like: the shipped task's YAML, inside the harness's folder `tasks`
        source: name of a [source](#sourcesyaml)
        files: a split of the shipped task, and the short name of the file that is it
        field: json only: the key under which the rows stand
        rows: what the rows go through first: `musr_questions` (stories to questions),
            `without_sentences` and `with_sentences` (IFEval without the rows that need
            nltk's `punkt_tab`, or all of them)
        settings: other keys of the shipped task's YAML, with other values
        runs_code: its metric runs what a model wrote, [if the user
            consents](../docs/add_a_benchmark.md#2-tasks-of-lm-evaluation-harness)
    """

    like: str
    source: Annotated[str, Named("source")]
    files: dict[str, Annotated[str, FileOf()]] = Field(min_length=1)
    field: str | None = None
    rows: RowFunction | None = None
    settings: dict[str, Any] = {}
    runs_code: bool = False

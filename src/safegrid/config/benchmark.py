"""Benchmarks: what a model is asked, who judges the answers, and tasks.

Those of a study are merged over the registry's, and checked when they are whole.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from safegrid.config.block import Block, Name, Positive
from safegrid.config.documents import Document, KeyPath, merge
from safegrid.config.engine import Decode
from safegrid.config.names import FileOf, Known, Named, wrong_names
from safegrid.config.prompt import ANSWERED, PromptSpec

# The benchmark name of scores that are made from several benchmarks.
GLOBAL = "global"
# The benchmark of requests without a prefill, held against those with one.
DIRECT = "c2_eval_direct"
# The kinds of judge of which a metric needs one: without it there is no score at all.
NEEDED = {
    "safety": ("guard", "refusal"),
    "toxicity": ("toxicity",),
    "over_refusal": ("refusal",),
    "helpfulness": ("reference", "entailment", "reward"),
    "correction": ("correction",),
}
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
        task_groups: capability: groups of tasks by patterns of their names (`*`, `?`);
            a task is of the first group that fits, else of `other`; `math` is held
            against the others
    """

    metric: Metric
    tasks: list[str] = []
    task_source: Annotated[str | None, Named("source")] = None
    limit: Positive | None = None
    task_groups: dict[Name, list[str]] = {}

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


def resolve_benchmarks(
    study: Document, registry: Mapping[str, Any], known: Known
) -> dict[str, BenchmarkSpec]:
    """Merge each benchmark of a study over the registry's of that name or `like`.

    Problems are noted.
    """
    found = {}
    for name, block in study.section("benchmarks").items():
        key = ("benchmarks", name)
        like = block.get("like") or name
        if like not in registry:
            study.unknown(key, like, "benchmark", registry)
            continue
        own = {k: value for k, value in block.items() if k != "like"}
        merged = merge(registry[like], own)
        # What the registry has wrong is told where it stands there.
        told = set(wrong_names(BenchmarkSpec, registry[like], known))
        for below, message in wrong_names(BenchmarkSpec, merged, known):
            if (below, message) not in told:
                study.note((*key, *below), message)
        spec = study.validate(BenchmarkSpec, merged, key)
        if spec is None:
            continue
        if name == GLOBAL:
            study.note(key, "the name is taken by the mean of the safety benchmarks")
        for below, message in (*_of_kinds(spec, known["judge"]), *_of_parts(spec)):
            study.note((*key, *below), message)
        found[name] = spec
    return found


def _of_kinds(
    spec: BenchmarkSpec, judges: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str]]:
    """Yield what a benchmark's judges cannot judge: the key below it, a sentence."""
    kinds = {judges[judge].kind for judge in spec.judges if judge in judges}
    needed = NEEDED.get(spec.metric, ())
    if kinds and needed and not kinds.intersection(needed):
        yield (
            ("judges",),
            f"metric {spec.metric!r} needs a judge of kind"
            f" {' or '.join(map(repr, needed))}, got kinds {', '.join(sorted(kinds))}",
        )
    if spec.prompts and "reference" in kinds and spec.prompts.kind not in ANSWERED:
        yield (
            ("judges",),
            f"a judge of kind 'reference' needs prompts with a known answer, and kind"
            f" {spec.prompts.kind!r} has none; expected one of"
            f" {', '.join(sorted(ANSWERED))}",
        )


def _of_parts(spec: BenchmarkSpec) -> Iterator[tuple[KeyPath, str]]:
    """Yield what a benchmark's metric needs or does not read, likewise."""
    if spec.metric == "capability":
        if not spec.tasks:
            yield (), "a capability suite needs `tasks`"
        return
    if spec.metric != "reference_likelihood":
        if spec.prompts is None or spec.decode is None or not spec.judges:
            yield (
                (),
                f"metric {spec.metric!r} needs `prompts`, `decode` and `judges`; only"
                " 'capability' and 'reference_likelihood' go without",
            )
        return
    if spec.prompts is None or spec.prompts.kind not in ANSWERED:
        yield (
            ("prompts",),
            "metric 'reference_likelihood' needs prompts with a known answer, of kind"
            f" {', '.join(sorted(ANSWERED))}",
        )
    for key in ("decode", "judges", "tasks", "task_source", "limit"):
        if getattr(spec, key):
            yield (
                (key,),
                "metric 'reference_likelihood' reads known answers: nothing is"
                " generated, judged or run as a task; remove it (a limit stands"
                " under `prompts`)",
            )

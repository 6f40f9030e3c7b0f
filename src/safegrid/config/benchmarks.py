"""Resolve a study's benchmarks: each merged over the registry's, and whole."""

from collections.abc import Iterator, Mapping
from typing import Any

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.documents import validate
from safegrid.config.names import Known, wrong_names
from safegrid.config.prompt import ANSWERED
from safegrid.config.sections import StudyDocuments, merge

# The benchmark name of scores that are made from several benchmarks.
GLOBAL = "global"
# The kinds of judge of which a metric needs one: without it there is no score at all.
NEEDED = {
    "safety": ("guard", "refusal"),
    "toxicity": ("toxicity",),
    "over_refusal": ("refusal",),
    "helpfulness": ("reference", "entailment", "reward"),
    "correction": ("correction",),
}


def resolve_benchmarks(
    documents: StudyDocuments, known: Known
) -> dict[str, BenchmarkSpec]:
    """Merge each benchmark of the study over the registry's of that name or `like`.

    Problems are noted.
    """
    found = {}
    for name, block in documents.section("benchmarks").items():
        spec = _resolve(documents, name, dict(block), known)
        if spec is None:
            continue
        for key, message in _misfits(name, spec, known["judge"]):
            documents.note(("benchmarks", name, *key), message)
        found[name] = spec
    return found


def _resolve(
    documents: StudyDocuments, name: str, block: dict[str, Any], known: Known
) -> BenchmarkSpec | None:
    registry, path = documents.benchmarks.data, ("benchmarks", name)
    like = block.pop("like", None) or name
    if like not in registry:
        documents.unknown(path, like, "benchmark", registry)
        return None
    merged, place = merge(registry[like], block), (documents.study, path)
    # What the registry has wrong is told where it stands there.
    told = set(wrong_names(BenchmarkSpec, registry[like], known))
    for key, message in wrong_names(BenchmarkSpec, merged, known):
        if (key, message) not in told:
            documents.note((*path, *key), message)
    spec: BenchmarkSpec | None = validate(
        BenchmarkSpec, merged, *place, documents.problems
    )
    return spec


def _misfits(
    name: str, spec: BenchmarkSpec, judges: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what a benchmark is wrong about: the key below it, and a sentence."""
    if name == GLOBAL:
        yield (), "the name is taken by the mean of the safety benchmarks"
    kinds = {judges[judge].kind for judge in spec.judges if judge in judges}
    yield from _of_kinds(spec, kinds)
    yield from _of_parts(spec)


def _of_kinds(
    spec: BenchmarkSpec, kinds: set[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
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


def _of_parts(spec: BenchmarkSpec) -> Iterator[tuple[tuple[str, ...], str]]:
    if spec.metric == "capability":
        if not spec.tasks:
            yield (), "a capability suite needs `tasks`"
    elif spec.metric == "reference_likelihood":
        yield from _of_references(spec)
    elif spec.prompts is None or spec.decode is None or not spec.judges:
        yield (
            (),
            f"metric {spec.metric!r} needs `prompts`, `decode` and `judges`; only"
            " 'capability' and 'reference_likelihood' go without",
        )


def _of_references(spec: BenchmarkSpec) -> Iterator[tuple[tuple[str, ...], str]]:
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

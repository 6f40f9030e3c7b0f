"""Resolve a study's benchmarks: each merged over the registry's, and whole."""

from collections.abc import Iterator, Mapping
from typing import Any

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.documents import Document, KeyPath, merge
from safegrid.config.names import Known, wrong_names
from safegrid.config.prompt import ANSWERED

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

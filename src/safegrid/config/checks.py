"""Checks of what a study's blocks ask of each other, and of the methods' registry."""

from collections.abc import Mapping
from typing import Any

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.documents import Document, check_kinds
from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.methods import METHODS
from safegrid.config.sections import StudyDocuments
from safegrid.config.source import SourceSpec
from safegrid.config.study import StudyEntry
from safegrid.config.training import NONE, Training

# Folders of results/ and logs/ that belong to all studies.
RESERVED = ("raw", "bases", "judges", "encoders", "gguf", "timing", "speed")
# Keys of a dataset that read labels which only comparisons have.
OF_COMPARISONS = ("keep", "categories")


def check_study(documents: StudyDocuments, sources: Mapping[str, SourceSpec]) -> None:
    """Note names that are taken, and keys that do not go together."""
    name = documents.study.data.get("name")
    if documents.name in RESERVED or name != documents.name:
        documents.note(
            ("name",),
            f"got {name!r}: must equal the file's name {documents.name!r} and be none"
            f" of {', '.join(RESERVED)}",
        )
    if NONE in documents.section("recipes"):
        documents.note(
            ("recipes", NONE),
            "the name is taken by the base untouched, which stands in every study",
        )
    asked = [*documents.names("bases"), *documents.names("compared")]
    for base in documents.section("engines"):
        if base not in asked:
            documents.unknown(("engines", base), base, "base", asked)
    for method in documents.methods.data:
        if method not in METHODS:
            where = documents.methods.where((method,))
            documents.problems.unknown(where, method, method, "method", METHODS)
    for dataset, block in documents.section("datasets").items():
        _check_labels_read(documents, dataset, block, sources)
        _check_beams(documents, dataset, block.get("corrections") or {})


def _check_labels_read(
    documents: StudyDocuments,
    name: str,
    block: Mapping[str, Any],
    sources: Mapping[str, SourceSpec],
) -> None:
    source = sources.get(str(block.get("source")))
    if source is None or source.format == "pku":
        return
    for key in OF_COMPARISONS:
        if block.get(key) is not None:
            documents.note(
                ("datasets", name, key),
                f"is for sources of format 'pku'; pairs of format {source.format!r} say"
                " themselves what is chosen: remove it",
            )


def _check_beams(documents: StudyDocuments, name: str, made: Mapping[str, Any]) -> None:
    """Check that the engine of a dataset's maker can search in beams."""
    if made.get("beams") is None:
        return
    engines, study = documents.section("engines"), documents.section("engine")
    bases = [made["base"]] if made.get("base") else documents.names("bases")
    kinds = {engines.get(base, study).get("kind", "safegrid") for base in bases}
    for kind in sorted(kinds - {"safegrid"}):
        documents.note(
            ("datasets", name, "corrections", "beams"),
            f"an engine of kind {kind!r} searches in no diverse beams, and its server"
            " runs no code of ours: set its `kind: safegrid`, or remove `beams`",
        )


def check_fluency(
    documents: StudyDocuments,
    study: StudyEntry,
    benchmarks: Mapping[str, BenchmarkSpec],
    judges: Mapping[str, JudgeEntry],
) -> None:
    """Note judges of fluency that have no fluent texts to fix their threshold on."""
    if any(dataset.generated is None for dataset in study.datasets.values()):
        return
    for name, benchmark in benchmarks.items():
        for judge in filter(None, map(judges.get, benchmark.judges)):
            if judge.kind == "fluency" and judge.labelled_source is None:
                documents.note(
                    ("benchmarks", name, "judges"),
                    f"{judge.name!r} has no fluent texts to fix its threshold on: give"
                    " the study a dataset with a `source` (no recipe needs to use it),"
                    " or the judge `labelled_source` and `labelled_file`",
                )


def check_tuned(documents: StudyDocuments, tuned: Document) -> dict[str, Any]:
    """Return the settings that a sweep chose, by method; problems are noted.

    Every method of the study must be among them: one that fell back to the shared
    settings would not be tuned as the others are.
    """
    chosen = tuned.data.get("chosen")
    if not isinstance(chosen, dict):
        message = "missing: the settings of each method"
        documents.problems.add(str(tuned.path), "chosen", message)
        return {}
    for method in chosen:
        key = ("chosen", method)
        check_kinds(Training, tuned, key, documents.problems)
        if method not in METHODS:
            where, dotted = tuned.where(key), f"chosen.{method}"
            documents.problems.unknown(where, dotted, method, "method", METHODS)
    for name, block in documents.section("recipes").items():
        method = block.get("method")
        if method in METHODS and method not in chosen:
            message = f"method {method!r} of recipe {name!r} has no settings here"
            documents.problems.add(str(tuned.path), "chosen", message)
    return chosen

"""Checks of whole registries, and of what a study's blocks ask of each other."""

from collections.abc import Iterable, Mapping
from typing import Any

from safegrid.config.benchmark import BenchmarkSpec
from safegrid.config.documents import Document, KeyPath, Problems, check_kinds
from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.judge_kinds import HIGHER_IS_BETTER
from safegrid.config.methods import METHODS
from safegrid.config.sections import StudyDocuments
from safegrid.config.source import SourceSpec
from safegrid.config.study import StudyEntry
from safegrid.config.training import NONE, Training
from safegrid.config.world import World


def check_study(documents: StudyDocuments) -> None:
    """Note the name of a recipe that stands in every study."""
    if NONE in documents.section("recipes"):
        _note(
            documents,
            ("recipes", NONE),
            "the name is taken by the base untouched, which stands in every study",
        )


def check_registries(
    documents: StudyDocuments,
    judges: Mapping[str, Any],
) -> None:
    """Note what is wrong with methods and benchmarks, used by this study or not."""
    for name in documents.methods.data:
        if name not in METHODS:
            where = documents.methods.where((name,))
            documents.problems.unknown(where, name, name, "method", METHODS)
    for name, block in documents.benchmarks.data.items():
        _check_benchmark_entry(documents, name, block, judges)


# The kinds of judges that say which answers a generated dataset keeps; why others
# do not.
KEEPERS: dict[str, tuple[tuple[str, ...], str]] = {
    "best_of_k": (HIGHER_IS_BETTER, "whose highest score is not the best answer's"),
    "corrections": (("guard",), "which calls no answer safe or unsafe"),
}


def check_makers(documents: StudyDocuments, judges: Mapping[str, JudgeEntry]) -> None:
    """Note generated datasets whose judge cannot say which answers to keep.

    Of k answers the one with the highest score is kept, and a guard's score is
    P(unsafe). Of corrections those are kept whose direct answer is labelled safe.
    """
    for name, block in documents.section("datasets").items():
        for origin, (kinds, why) in KEEPERS.items():
            judge = judges.get((block.get(origin) or {}).get("judge", ""))
            if judge is not None and judge.kind not in kinds:
                _note(
                    documents,
                    ("datasets", name, origin, "judge"),
                    f"{judge.name!r} is of kind {judge.kind!r}, {why}; expected one of"
                    f" {', '.join(kinds)}",
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
                _note(
                    documents,
                    ("benchmarks", name, "judges"),
                    f"{judge.name!r} has no fluent texts to fix its threshold on: give"
                    " the study a dataset with a `source` (no recipe needs to use it),"
                    " or the judge `labelled_source` and `labelled_file`",
                )


def check_world_parts(
    document: Document,
    entries: Mapping[str, Any],
    worlds: Mapping[str, Any],
    problems: Problems,
) -> None:
    """Note worlds of a registry's entries that nobody knows."""
    for name, entry in entries.items():
        if entry.world is not None and entry.world not in worlds:
            where = document.where((name, "world"))
            problems.unknown(where, f"{name}.world", entry.world, "world", worlds)


def check_texts(
    document: Document,
    worlds: Mapping[str, World],
    sources: Mapping[str, SourceSpec],
    problems: Problems,
) -> None:
    """Note real text of worlds that no source holds, or holds in another format."""
    for name, world in worlds.items():
        for number, text in enumerate(world.text.files if world.text else ()):
            key = (name, "text", "files", number)
            where, dotted = document.where(key), ".".join(map(str, key))
            source = sources.get(text.source)
            if source is None:
                problems.unknown(where, dotted, text.source, "source", sources)
            elif text.file not in source.files:
                problems.unknown(where, dotted, text.file, "file", source.files)
            elif source.format != "instructions":
                problems.add(
                    where,
                    dotted,
                    f"source {text.source!r} is in format {source.format!r}; a base"
                    " learns from sources of format 'instructions'",
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


def _check_benchmark_entry(
    documents: StudyDocuments,
    name: str,
    block: Mapping[str, Any],
    judges: Iterable[str],
) -> None:
    where = documents.benchmarks.where
    for judge in block.get("judges", ()):
        if judge not in judges:
            key = f"{name}.judges"
            documents.problems.unknown(
                where((name, "judges")), key, judge, "judge", judges
            )


def _note(documents: StudyDocuments, path: KeyPath, message: str) -> None:
    dotted = ".".join(map(str, path))
    documents.problems.add(documents.study.where(path), dotted, message)

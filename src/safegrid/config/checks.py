"""Checks of whole registries, and of what a study's blocks ask of each other."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from safegrid.config.documents import Document, KeyPath, Problems
from safegrid.config.judge_kinds import HIGHER_IS_BETTER
from safegrid.config.sections import StudyDocuments
from safegrid.config.source import SourceSpec
from safegrid.config.study import BenchmarkSpec, JudgeEntry
from safegrid.config.training import NONE, Training
from safegrid.config.world import World
from safegrid.methods import METHODS

# Names become folders and wildcards of rules.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")


def check_study(documents: StudyDocuments) -> None:
    """Note names that cannot be folders, and seeds that repeat."""
    for section in ("datasets", "recipes", "benchmarks"):
        _check_folder_names(documents.study, (section,), documents.problems)
    if NONE in documents.section("recipes"):
        _note(
            documents,
            ("recipes", NONE),
            "the name is taken by the base untouched, which stands in every study",
        )
    _check_seeds(documents)


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


# The kinds of judges that say which answers a made dataset keeps; why others do not.
KEEPERS: dict[str, tuple[tuple[str, ...], str]] = {
    "best_of_k": (HIGHER_IS_BETTER, "whose highest score is not the best answer's"),
    "corrections": (("guard",), "which calls no answer safe or unsafe"),
}


def check_makers(documents: StudyDocuments, judges: Mapping[str, JudgeEntry]) -> None:
    """Note made datasets whose judge cannot say which answers to keep.

    Of k answers the one with the highest score is kept, and a guard's score is
    P(unsafe). Of corrections those are kept whose direct answer is labelled safe.
    """
    for name, block in documents.section("datasets").items():
        for origin, (kinds, why) in KEEPERS.items():
            made = block.get(origin) if isinstance(block, dict) else None
            named = made.get("judge") if isinstance(made, dict) else None
            judge = judges.get(str(named))
            if judge is not None and judge.kind not in kinds:
                _note(
                    documents,
                    ("datasets", name, origin, "judge"),
                    f"{judge.name!r} is of kind {judge.kind!r}, {why}; expected one of"
                    f" {', '.join(kinds)}",
                )


def check_grown(
    document: Document,
    entries: Mapping[str, Any],
    worlds: Mapping[str, Any],
    problems: Problems,
) -> None:
    """Note names of a registry that cannot be folders, and worlds that nobody knows."""
    _check_folder_names(document, (), problems)
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
    for method, settings in chosen.items():
        where = tuned.where(("chosen", method))
        key = f"chosen.{method}"
        if method not in METHODS:
            documents.problems.unknown(where, key, method, "method", METHODS)
        for name in settings if isinstance(settings, dict) else ():
            if name not in Training.model_fields:
                allowed = Training.model_fields
                documents.problems.unknown(
                    tuned.where(("chosen", method, name)), key, name, "setting", allowed
                )
    for name, block in documents.section("recipes").items():
        method = block.get("method") if isinstance(block, dict) else None
        if method in METHODS and method not in chosen:
            message = f"method {method!r} of recipe {name!r} has no settings here"
            documents.problems.add(str(tuned.path), "chosen", message)
    return chosen


def _check_benchmark_entry(
    documents: StudyDocuments, name: str, block: object, judges: Iterable[str]
) -> None:
    """Check the keys of an entry; what it lacks, a study's block may give."""
    if not isinstance(block, dict):
        return
    where = documents.benchmarks.where
    for key in block:
        if key not in BenchmarkSpec.model_fields:
            allowed = BenchmarkSpec.model_fields
            documents.problems.unknown(where((name, key)), name, key, "key", allowed)
    for judge in block.get("judges") or ():
        if judge not in judges:
            key = f"{name}.judges"
            documents.problems.unknown(
                where((name, "judges")), key, judge, "judge", judges
            )


def _check_folder_names(document: Document, path: KeyPath, problems: Problems) -> None:
    section = document.data
    for key in path:
        section = section.get(str(key)) or {}
    for name in section if isinstance(section, dict) else ():
        if not NAME.fullmatch(str(name)):
            dotted = ".".join([*map(str, path), str(name)])
            problems.add(
                document.where((*path, name)),
                dotted,
                "a name may hold letters, digits and _ . + - and begins with one of"
                " the first two: it becomes a folder",
            )


def _check_seeds(documents: StudyDocuments) -> None:
    seeds = documents.study.data.get("seeds")
    if not isinstance(seeds, list):
        return
    if len(set(map(str, seeds))) < len(seeds):
        _note(documents, ("seeds",), f"got {seeds}: a seed stands twice")
    if any(isinstance(seed, int) and seed < 0 for seed in seeds):
        _note(documents, ("seeds",), f"got {seeds}: a seed is 0 or more")


def _note(documents: StudyDocuments, path: KeyPath, message: str) -> None:
    dotted = ".".join(map(str, path))
    documents.problems.add(documents.study.where(path), dotted, message)


def check_options(options: Mapping[str, Any], known: Iterable[str], file: Path) -> None:
    """Refuse keys of config/config.yaml or `--config` that nothing reads.

    Raises:
        ConfigError: there is one.
    """
    problems = Problems()
    for name in options:
        if name not in known:
            problems.unknown(f"{file} or --config", name, name, "key", known)
    problems.raise_if_any("configuration")

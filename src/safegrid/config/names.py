"""Check every name that a study takes from a registry, with the likely meant one."""

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from typing import Any

from safegrid.config.blocks import JudgeKind
from safegrid.config.data import LABELLED_FORMATS, VERDICT_FORMATS
from safegrid.config.sections import StudyDocuments

# Folders of results/ that belong to all studies.
RESERVED = ("raw", "bases", "judges")


def check_names(
    documents: StudyDocuments,
    sources: Mapping[str, Any],
    bases: Mapping[str, Any],
    judges: Mapping[str, Any],
    tasks: Mapping[str, Any],
) -> None:
    """Note every name of the study that stands in no registry."""
    checker = _Names(documents, sources)
    checker.known("bases", documents.study.data.get("bases"), "base", bases)
    compared = documents.study.data.get("compared")
    checker.known("compared", compared, "base", bases)
    for name, block in _blocks(documents, "datasets"):
        key = f"datasets.{name}"
        checker.source(key, block)
        for part in block.get("parts") or ():
            if isinstance(part, dict):
                checker.source(f"{key}.parts", part)
        chosen, corrected = block.get("best_of_k"), block.get("corrections")
        if isinstance(chosen, dict):
            checker.known(
                f"{key}.best_of_k.judge", [chosen.get("judge")], "judge", judges
            )
            if isinstance(chosen.get("prompts"), dict):
                checker.source(f"{key}.best_of_k.prompts", chosen["prompts"])
        if isinstance(corrected, dict) and isinstance(corrected.get("requests"), dict):
            checker.source(f"{key}.corrections.requests", corrected["requests"])
    for name, block in _blocks(documents, "recipes"):
        wanted = [block["dataset"]] if "dataset" in block else []
        datasets = documents.section("datasets")
        checker.known(f"recipes.{name}.dataset", wanted, "dataset", datasets)
        own = [block["base"]] if block.get("base") is not None else []
        checker.known(f"recipes.{name}.base", own, "base", bases)
    for name, block in _blocks(documents, "benchmarks"):
        key = f"benchmarks.{name}"
        checker.known(f"{key}.judges", block.get("judges"), "judge", judges)
        if block.get("task_source") is not None:
            wanted = [block["task_source"]]
            checker.known(f"{key}.task_source", wanted, "source", sources)
        if isinstance(block.get("prompts"), dict):
            checker.source(f"{key}.prompts", block["prompts"])
        for task in _known(block.get("tasks"), tasks):
            checker.task(task, tasks[task])
    _check_own_name(documents)
    _check_rows(documents, sources, judges, "labelled", _labelled_formats)
    _check_rows(documents, sources, judges, "verdicts", lambda _: VERDICT_FORMATS)


class _Names:
    """Notes unknown names at the line on which they stand."""

    def __init__(self, documents: StudyDocuments, sources: Mapping[str, Any]) -> None:
        self.documents = documents
        self.sources = sources

    def known(
        self, key: str, values: object, kind: str, allowed: Iterable[str]
    ) -> None:
        """Note each of the values that is not among the allowed names."""
        if not isinstance(values, list) or not isinstance(allowed, Container):
            return
        where = self.documents.study.where(tuple(key.split(".")))
        for value in values:
            if value not in allowed:
                self.documents.problems.unknown(where, key, value, kind, allowed)

    def source(self, key: str, block: dict[str, Any]) -> None:
        """Note an unknown source, or files that a known one does not have."""
        name = block.get("source")
        if name is None:
            return
        self.known(f"{key}.source", [name], "source", self.sources)
        if name not in self.sources:
            return
        files = self.sources[name].files
        for field in ("file", "plain"):
            if block.get(field) is not None:
                wanted = [block[field]]
                kind = f"file of source {name!r}"
                self.known(f"{key}.{field}", wanted, kind, files)

    def task(self, name: str, entry: Any) -> None:
        """Note a source, or files, that a task of the registry has and nobody knows."""
        where = str(self.documents.root / "tasks.yaml")
        if entry.source not in self.sources:
            self.documents.problems.unknown(
                where, f"{name}.source", entry.source, "source", self.sources
            )
            return
        files = self.sources[entry.source].files
        for file in entry.files.values():
            if file not in files:
                kind = f"file of source {entry.source!r}"
                self.documents.problems.unknown(
                    where, f"{name}.files", file, kind, files
                )


def _known(names: object, registry: Mapping[str, Any]) -> list[str]:
    return [n for n in names if n in registry] if isinstance(names, list) else []


def _blocks(
    documents: StudyDocuments, section: str
) -> Iterable[tuple[str, dict[str, Any]]]:
    return (
        (name, block)
        for name, block in documents.section(section).items()
        if isinstance(block, dict)
    )


def _check_own_name(documents: StudyDocuments) -> None:
    name = documents.study.data.get("name")
    if documents.name in RESERVED or name != documents.name:
        documents.problems.add(
            documents.study.where(("name",)),
            "name",
            f"got {name!r}: must equal the file's name {documents.name!r} and be none"
            f" of {', '.join(RESERVED)}",
        )


def _check_rows(
    documents: StudyDocuments,
    sources: Mapping[str, Any],
    judges: Mapping[str, Any],
    rows: str,
    formats: Callable[[JudgeKind], Collection[str]],
) -> None:
    """Check rows that judges of the registry name, used by this study or not.

    Args:
        documents: where they are named.
        sources: of the registry.
        judges: of the registry.
        rows: what is named, by keys `{rows}_source` and `{rows}_file`.
        formats: which formats hold such rows for a kind of judge.
    """
    for name, judge in judges.items():
        source, file = getattr(judge, f"{rows}_source"), getattr(judge, f"{rows}_file")
        if source is None:
            continue
        where = str(documents.root / "judges.yaml")
        key = f"{name}.{rows}_source"
        if source not in sources:
            documents.problems.unknown(where, key, source, "source", sources)
        elif file not in sources[source].files:
            files = sources[source].files
            kind = f"file of source {source!r}"
            documents.problems.unknown(where, f"{name}.{rows}_file", file, kind, files)
        elif sources[source].format not in (fitting := formats(judge.kind)):
            documents.problems.add(
                where,
                key,
                f"source {source!r} is of format {sources[source].format!r}; a judge of"
                f" kind {judge.kind!r} has {rows} rows of"
                f" {' or '.join(sorted(fitting)) or 'no format: it gives no measure'}",
            )


def _labelled_formats(kind: JudgeKind) -> list[str]:
    """Return the formats of labelled rows that a kind of judge is measured on."""
    return [name for name, kinds in LABELLED_FORMATS.items() if kind in kinds]

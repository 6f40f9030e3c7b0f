"""Check every name that a study takes from a registry, with the likely meant one."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from safegrid.config.head import check_labels
from safegrid.config.judge_kinds import JudgeKind
from safegrid.config.sections import StudyDocuments
from safegrid.config.source import LABELLED_FORMATS, VERDICT_FORMATS

# Folders of results/ and logs/ that belong to all studies.
RESERVED = ("raw", "bases", "judges", "encoders", "gguf", "timing", "speed")


def check_names(
    documents: StudyDocuments,
    sources: Mapping[str, Any],
    bases: Mapping[str, Any],
    judges: Mapping[str, Any],
    tasks: Mapping[str, Any],
) -> None:
    """Note every name of the study that stands in no registry."""
    checker = _Names(documents, sources)
    for section in ("bases", "compared"):
        checker.known(section, documents.names(section), "base", bases)
    asked = [*documents.names("bases"), *documents.names("compared")]
    checker.known("engines", documents.section("engines"), "base", asked)
    for name, block in documents.section("datasets").items():
        _check_dataset(checker, f"datasets.{name}", block, judges)
    for name, block in documents.section("recipes").items():
        _check_recipe(checker, f"recipes.{name}", block, bases)
    for name, block in documents.section("benchmarks").items():
        _check_benchmark(checker, f"benchmarks.{name}", block, judges)
        for task in block.get("tasks", ()):
            if task in tasks:
                checker.task(task, tasks[task])
    _check_own_name(documents)
    _check_rows(documents, sources, judges, "labelled", _labelled_formats)
    _check_rows(documents, sources, judges, "verdicts", lambda _: VERDICT_FORMATS)


def check_encoders(
    documents: StudyDocuments, judges: Mapping[str, Any], encoders: Mapping[str, Any]
) -> None:
    """Note encoders that judges of the registry name and nobody knows."""
    where = str(documents.root / "judges.yaml")
    for name, judge in judges.items():
        if judge.encoder is not None and judge.encoder not in encoders:
            documents.problems.unknown(
                where, f"{name}.encoder", judge.encoder, "encoder", encoders
            )


def check_heads(
    documents: StudyDocuments, sources: Mapping[str, Any], judges: Mapping[str, Any]
) -> None:
    """Note labelled rows of the registry's text heads that cannot be read."""
    where = str(documents.root / "judges.yaml")
    for name, judge in judges.items():
        for n, part in enumerate(judge.trained_on):
            key = f"{name}.trained_on[{n}]"
            known = sources.get(part.source)
            if known is None:
                documents.problems.unknown(
                    where, f"{key}.source", part.source, "source", sources
                )
            elif part.file not in known.files:
                kind = f"file of source {part.source!r}"
                documents.problems.unknown(
                    where, f"{key}.file", part.file, kind, known.files
                )
            elif fault := check_labels(part, known.format):
                documents.problems.add(where, key, fault)


class _Names:
    """Notes unknown names at the line on which they stand."""

    def __init__(self, documents: StudyDocuments, sources: Mapping[str, Any]) -> None:
        self.documents = documents
        self.sources = sources

    def known(
        self, key: str, values: Iterable[str], kind: str, allowed: Collection[str]
    ) -> None:
        """Note each of the values that is not among the allowed names."""
        where = self.documents.study.where(tuple(key.split(".")))
        for value in values:
            if value not in allowed:
                self.documents.problems.unknown(where, key, value, kind, allowed)

    def source(self, key: str, block: Mapping[str, Any]) -> None:
        """Note a block's unknown source, or files that a known one does not have."""
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


def _check_dataset(
    checker: _Names, key: str, block: dict[str, Any], judges: Mapping[str, Any]
) -> None:
    checker.source(key, block)
    for part in block.get("parts", ()):
        checker.source(f"{key}.parts", part)
    for origin, asked in (("best_of_k", "prompts"), ("corrections", "requests")):
        made = block.get(origin) or {}
        checker.known(f"{key}.{origin}.judge", _given(made, "judge"), "judge", judges)
        checker.source(f"{key}.{origin}.{asked}", made.get(asked, {}))
    for part in (block.get("rejected_by_model") or {}).get("chosen", ()):
        checker.source(f"{key}.rejected_by_model.chosen", part)


def _check_recipe(
    checker: _Names, key: str, block: dict[str, Any], bases: Mapping[str, Any]
) -> None:
    datasets = checker.documents.section("datasets")
    checker.known(f"{key}.dataset", _given(block, "dataset"), "dataset", datasets)
    checker.known(f"{key}.base", _given(block, "base"), "base", bases)


def _check_benchmark(
    checker: _Names, key: str, block: dict[str, Any], judges: Mapping[str, Any]
) -> None:
    wanted = _given(block, "task_source")
    checker.known(f"{key}.judges", block.get("judges", ()), "judge", judges)
    checker.known(f"{key}.task_source", wanted, "source", checker.sources)
    checker.source(f"{key}.prompts", block.get("prompts") or {})


def _given(block: Mapping[str, Any], key: str) -> list[str]:
    """Return the name under a key; none where it is missing or null."""
    return [block[key]] if block.get(key) is not None else []


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

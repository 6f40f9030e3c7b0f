"""Check that what a study takes from a source is what the source's format holds."""

from collections.abc import Mapping
from typing import Any

from safegrid.config.beams import BeamsSpec
from safegrid.config.prompt import PROMPT_FORMATS
from safegrid.config.sections import StudyDocuments, merge
from safegrid.config.source import (
    CODE_FORMAT,
    DATASET_FORMATS,
    INSTRUCTION_FORMATS,
    SourceSpec,
)

# Keys of a dataset that read labels which only comparisons have.
OF_COMPARISONS = ("keep", "categories")

Block = Mapping[str, Any]


def check_formats(documents: StudyDocuments, sources: Mapping[str, SourceSpec]) -> None:
    """Note datasets and prompts of a source that cannot give them."""
    for name, block in documents.section("datasets").items():
        source = _source(block, sources)
        if source is not None:
            _check_dataset(documents, f"datasets.{name}", block, source)
        _check_instructions(documents, f"datasets.{name}.parts", block, sources)
        made = block.get("rejected_by_model") or {}
        key = f"datasets.{name}.rejected_by_model.chosen"
        _check_instructions(documents, key, made, sources)
        asked = (block.get("best_of_k") or {}).get("prompts", {})
        _check_prompts(documents, f"datasets.{name}.best_of_k.prompts", asked, sources)
        _check_corrections(documents, name, block, sources)
    for name, block in documents.section("benchmarks").items():
        like = documents.benchmarks.data.get(block.get("like") or name, {})
        prompts = merge(like, block).get("prompts") or {}
        _check_prompts(documents, f"benchmarks.{name}.prompts", prompts, sources)


def _source(block: Block, sources: Mapping[str, SourceSpec]) -> SourceSpec | None:
    """Return the source that a block names, if it names a known one."""
    return sources.get(str(block.get("source")))


def _check_dataset(
    documents: StudyDocuments, key: str, block: Block, source: SourceSpec
) -> None:
    where = documents.study.where(tuple(key.split(".")))
    if source.format not in DATASET_FORMATS:
        documents.problems.add(
            where,
            f"{key}.source",
            f"{block['source']!r} is of format {source.format!r}, which holds no"
            f" training rows; expected one of {', '.join(sorted(DATASET_FORMATS))}",
        )
    elif source.format != "pku":
        for name in OF_COMPARISONS:
            if block.get(name) is not None:
                documents.problems.add(
                    where,
                    f"{key}.{name}",
                    f"is for sources of format 'pku'; pairs of format"
                    f" {source.format!r} say themselves what is chosen: remove it",
                )


def _check_instructions(
    documents: StudyDocuments,
    key: str,
    block: Block,
    sources: Mapping[str, SourceSpec],
) -> None:
    """Check that the parts under a key are instructions with their answers."""
    for part in block.get(key.rpartition(".")[2], ()):
        source = _source(part, sources)
        if source is not None and source.format not in INSTRUCTION_FORMATS:
            documents.problems.add(
                documents.study.where(tuple(key.split("."))),
                key,
                f"{part['source']!r} is of format {source.format!r}; instructions"
                f" with answers are of {' or '.join(sorted(INSTRUCTION_FORMATS))}",
            )


def _check_corrections(
    documents: StudyDocuments,
    name: str,
    block: Block,
    sources: Mapping[str, SourceSpec],
) -> None:
    """Check that there are labels which say what answer is unsafe."""
    made = block.get("corrections") or {}
    if made.get("beams") is not None:
        _check_beams(documents, name, made, sources)
    requests = made.get("requests", {})
    source = _source(requests, sources)
    if source is not None and source.format != "pku":
        key = ("datasets", name, "corrections", "requests", "source")
        documents.problems.add(
            documents.study.where(key),
            ".".join(key),
            f"{requests['source']!r} is of format {source.format!r}; unsafe answers"
            " are taken from sources of format 'pku'",
        )


def _engine_kinds(documents: StudyDocuments, made: Block) -> set[str]:
    """Return the kinds of the engines that answer for a dataset: its maker's."""
    engines, study = documents.section("engines"), documents.section("engine")
    own = made.get("base")
    bases = documents.names("bases") if own is None else [own]
    return {engines.get(base, study).get("kind", "safegrid") for base in bases}


def _check_beams(
    documents: StudyDocuments,
    name: str,
    made: Block,
    sources: Mapping[str, SourceSpec],
) -> None:
    """Check that the engine can search in beams, and that the source is code."""
    key = ("datasets", name, "corrections", "beams")
    where, dotted = documents.study.where(key), ".".join(key)
    code = made["beams"].get("source", BeamsSpec.model_fields["source"].default)
    source = sources.get(code)
    for kind in sorted(_engine_kinds(documents, made) - {"safegrid"}):
        documents.problems.add(
            where,
            dotted,
            f"an engine of kind {kind!r} searches in no diverse beams, and its server"
            " runs no code of ours: set its `kind: safegrid`, or remove `beams`",
        )
    if source is None:
        documents.problems.unknown(where, f"{dotted}.source", code, "source", sources)
    elif source.format != CODE_FORMAT:
        documents.problems.add(
            where,
            f"{dotted}.source",
            f"{code!r} is of format {source.format!r}, which is no code; expected a"
            f" source of format {CODE_FORMAT!r}",
        )


def _check_prompts(
    documents: StudyDocuments,
    key: str,
    prompts: Block,
    sources: Mapping[str, SourceSpec],
) -> None:
    kind, source = prompts.get("kind"), _source(prompts, sources)
    wanted = {str(name): form for name, form in PROMPT_FORMATS.items()}.get(str(kind))
    if source is not None and wanted is not None and wanted != source.format:
        fitting = [
            name for name, form in PROMPT_FORMATS.items() if form == source.format
        ]
        documents.problems.add(
            documents.study.where(tuple(key.split("."))),
            f"{key}.kind",
            f"{kind!r} reads sources of format {wanted!r}, and this one is"
            f" {source.format!r}; kinds for it: {', '.join(fitting) or 'none'}",
        )

"""Check that what a study takes from a source is what the source's format holds."""

from collections.abc import Mapping

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


def check_formats(documents: StudyDocuments, sources: Mapping[str, SourceSpec]) -> None:
    """Note datasets and prompts of a source that cannot give them."""
    for name, block in documents.section("datasets").items():
        source = _source(block, sources)
        if source is not None:
            _check_dataset(documents, f"datasets.{name}", block, source)
        _check_parts(documents, f"datasets.{name}", block, sources)
        _check_corrections(documents, name, block, sources)
    for name, block in documents.section("benchmarks").items():
        if isinstance(block, dict):
            like = documents.benchmarks.data.get(str(block.get("like", name)), {})
            prompts = merge(like, block).get("prompts")
            source = _source(prompts, sources)
            if isinstance(prompts, dict) and source is not None:
                key = f"benchmarks.{name}.prompts"
                _check_prompts(documents, key, prompts.get("kind"), source)


def _source(block: object, sources: Mapping[str, SourceSpec]) -> SourceSpec | None:
    """Return the source that a block names, if it names a known one."""
    return sources.get(str(block.get("source"))) if isinstance(block, dict) else None


def _check_dataset(
    documents: StudyDocuments, key: str, block: dict[str, object], source: SourceSpec
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


def _check_parts(
    documents: StudyDocuments,
    key: str,
    block: object,
    sources: Mapping[str, SourceSpec],
) -> None:
    """Check that what is mixed is instructions, and what a model is asked prompts."""
    parts = block.get("parts") if isinstance(block, dict) else None
    for part in parts if isinstance(parts, list) else ():
        source = _source(part, sources)
        if source is not None and source.format not in INSTRUCTION_FORMATS:
            documents.problems.add(
                documents.study.where((*key.split("."), "parts")),
                f"{key}.parts",
                f"{part['source']!r} is of format {source.format!r}; what is mixed is"
                f" of {' or '.join(sorted(INSTRUCTION_FORMATS))}",
            )
    made = block.get("best_of_k") if isinstance(block, dict) else None
    prompts = made.get("prompts") if isinstance(made, dict) else None
    source = _source(prompts, sources)
    if isinstance(prompts, dict) and source is not None:
        key = f"{key}.best_of_k.prompts"
        _check_prompts(documents, key, prompts.get("kind"), source)


def _check_corrections(
    documents: StudyDocuments,
    name: str,
    block: object,
    sources: Mapping[str, SourceSpec],
) -> None:
    """Check that there are labels which say what answer is unsafe."""
    made = block.get("corrections") if isinstance(block, dict) else None
    beams = made.get("beams") if isinstance(made, dict) else None
    if isinstance(made, dict) and isinstance(beams, dict):
        _check_beams(documents, name, made, beams, sources)
    requests = made.get("requests") if isinstance(made, dict) else None
    source = _source(requests, sources)
    if isinstance(requests, dict) and source is not None and source.format != "pku":
        key = ("datasets", name, "corrections", "requests", "source")
        documents.problems.add(
            documents.study.where(key),
            ".".join(key),
            f"{requests['source']!r} is of format {source.format!r}; unsafe answers"
            " are taken from sources of format 'pku'",
        )


def _engine_kinds(documents: StudyDocuments, made: dict[str, object]) -> set[str]:
    """Return the kinds of the engines that answer for a dataset: its maker's."""
    engines, study = documents.section("engines"), documents.section("engine")
    trained = documents.study.data.get("bases")
    bases = trained if isinstance(trained, list) else []
    if made.get("base") is not None:
        bases = [made["base"]]
    blocks = [engines.get(str(base), study) for base in bases]
    return {str(b.get("kind", "safegrid")) for b in blocks if isinstance(b, dict)}


def _check_beams(
    documents: StudyDocuments,
    name: str,
    made: dict[str, object],
    beams: dict[str, object],
    sources: Mapping[str, SourceSpec],
) -> None:
    """Check that the engine searches, by what is code."""
    key = ("datasets", name, "corrections", "beams")
    where, dotted = documents.study.where(key), ".".join(key)
    code = str(beams.get("source", BeamsSpec.model_fields["source"].default))
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
    documents: StudyDocuments, key: str, kind: object, source: SourceSpec
) -> None:
    wanted = {str(name): form for name, form in PROMPT_FORMATS.items()}.get(str(kind))
    if wanted is not None and wanted != source.format:
        fitting = [
            name for name, form in PROMPT_FORMATS.items() if form == source.format
        ]
        documents.problems.add(
            documents.study.where(tuple(key.split("."))),
            f"{key}.kind",
            f"{kind!r} reads sources of format {wanted!r}, and this one is"
            f" {source.format!r}; kinds for it: {', '.join(fitting) or 'none'}",
        )

"""Raw files of sources: of datasets and prompts, and of capability suites' tasks."""

from collections.abc import Iterable
from typing import Any

from safegrid.config.generated import RequestsSpec
from safegrid.config.judge_entry import LabelledFile
from safegrid.config.source import PartSpec
from safegrid.study import Study

Part = PartSpec | RequestsSpec | LabelledFile
"""A block that names a file of a source."""


def raw(study: Study, source: str, file: str) -> str:
    """Return a raw file of a source by its short name."""
    return f"results/raw/{source}/{study.config.sources[source].files[file]}"


def raw_files(study: Study, parts: Iterable[Part]) -> list[str]:
    """Return the raw files that several blocks name, in their order."""
    return [raw(study, part.source, part.file) for part in parts]


def plain(study: Study, asked: str) -> list[str]:
    """Return the raw file of the items behind attacked prompts; empty without one."""
    spec = study.with_prompts[asked]
    return [] if spec.plain is None else [raw(study, spec.source, spec.plain)]


def whole(study: Study, source: str | None) -> list[str]:
    """Return all raw files of a source; none without one."""
    files = study.config.sources[source].files if source else ()
    return [raw(study, str(source), file) for file in files]


def block(study: Study, source: str) -> str:
    """Return what preparing needs of a source; where its files are from is no part."""
    parts = {"format", "files", "licence", "content"}
    return study.config.sources[source].model_dump_json(include=parts)


def blocks(study: Study, parts: Iterable[Part]) -> list[str]:
    """Return the same of the sources that several blocks name, in their order."""
    return [block(study, part.source) for part in parts]


def search_files(study: Study, pool: str) -> list[str]:
    """Return the code that searches for a pool's answers; none where none does."""
    made = study.corrected.get(pool.partition("/")[0])
    return whole(study, made.beams.source if made and made.beams else None)


# ---------------------------------------------------------------- capability suites


def task_blocks(study: Study, suite: str) -> dict[str, dict[str, Any]]:
    """Return the registry's tasks of a suite, with paths in place of file names."""
    known = study.config.tasks
    found = {name: known[name] for name in study.suites[suite].tasks if name in known}
    return {
        name: task.model_dump(exclude={"source", "runs_code"})
        | {"files": {k: raw(study, task.source, f) for k, f in task.files.items()}}
        for name, task in found.items()
    }


def task_files(study: Study, suite: str) -> list[str]:
    """Return the raw files of a suite; none for shipped tasks."""
    blocks = task_blocks(study, suite).values()
    rows = [path for block in blocks for path in block["files"].values()]
    files = whole(study, study.suites[suite].task_source)
    return list(dict.fromkeys([*files, *rows]))

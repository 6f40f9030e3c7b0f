"""The registries that studies draw from, read entry by entry; the lock; templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from safegrid.config.benchmark import TaskEntry
from safegrid.config.block import NAMING, is_name
from safegrid.config.documents import Document, Problems
from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.lock import Lock
from safegrid.config.source import SourceSpec
from safegrid.config.study import BaseEntry
from safegrid.config.upstream import EncoderEntry, ModelUpstream
from safegrid.config.world import World
from safegrid.config.yaml_files import read_document, text_of

# Written by `safegrid pin`.
LOCK = "sources.lock.yaml"
# The registries whose entries have an upstream.
UPSTREAM: dict[str, type[BaseModel]] = {
    "sources": SourceSpec,
    "bases": BaseEntry,
    "judges": JudgeEntry,
    "encoders": EncoderEntry,
}
ALL: dict[str, type[BaseModel]] = {**UPSTREAM, "worlds": World, "tasks": TaskEntry}


@dataclass(frozen=True)
class Registries:
    """Everything that has an upstream, whatever study uses it."""

    sources: dict[str, SourceSpec]
    bases: dict[str, BaseEntry]
    judges: dict[str, JudgeEntry]
    encoders: dict[str, EncoderEntry]
    lock: Lock


def load_registries(root: Path) -> Registries:
    """Load what `safegrid pin` can pin, with the lock, from the folder `root`.

    Raises:
        ConfigError: one message with every problem.
    """
    problems = Problems()
    entries = {
        stem: entries_of(read_document(root / f"{stem}.yaml", problems), kind)
        for stem, kind in UPSTREAM.items()
    }
    registries = Registries(**entries, lock=read_lock(root, problems))
    problems.raise_if_any("registries")
    return registries


def entries_of(document: Document, model: type[BaseModel]) -> dict[str, Any]:
    """Return the valid entries of a registry that is read; problems are noted."""
    entries = {}
    for name, data in document.data.items():
        if not is_name(name):
            document.note((name,), NAMING)
        # An entry that knows its own name takes the key that it stands under.
        if "name" in model.model_fields and isinstance(data, dict):
            data = {"name": name, **data}
        entries[name] = document.validate(model, data, (name,))
    return {name: entry for name, entry in entries.items() if entry is not None}


def read_lock(root: Path, problems: Problems) -> Lock:
    """Read the lock of a configuration; without one nothing is pinned."""
    if not (root / LOCK).exists():
        return Lock()
    document = read_document(root / LOCK, problems)
    return document.validate(Lock, document.data) or Lock()


def read_templates(
    root: Path, models: Mapping[str, ModelUpstream], problems: Problems
) -> dict[str, str]:
    """Return the text of every chat template, by name.

    One that a model names and that is not there is noted.
    """
    folder = root / "templates"
    there = {path.stem: path for path in sorted(folder.glob("*.jinja"))}
    for name, model in models.items():
        if model.template is not None and model.template not in there:
            key = f"{name}.template"
            problems.unknown(str(folder), key, model.template, "template", there)
    texts = {name: text_of(path, problems) for name, path in there.items()}
    return {name: text for name, text in texts.items() if text is not None}

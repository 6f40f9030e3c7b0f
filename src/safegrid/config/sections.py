"""The documents behind a study, read once, with one list of problems."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.config.documents import Document, Problems
from safegrid.config.yaml_files import read_document


@dataclass
class StudyDocuments:
    """A study's own file and the registries that its blocks are merged over."""

    root: Path
    name: str
    study: Document
    methods: Document
    benchmarks: Document
    problems: Problems

    @classmethod
    def read(cls, root: Path, name: str) -> "StudyDocuments":
        """Read the files of study `name`; what is wrong with them is noted."""
        problems = Problems()
        return cls(
            root,
            name,
            read_document(root / "studies" / f"{name}.yaml", problems),
            read_document(root / "methods.yaml", problems),
            read_document(root / "benchmarks.yaml", problems),
            problems,
        )

    def section(self, key: str) -> dict[str, Any]:
        """Return a section of the study, empty where there is none."""
        section: dict[str, Any] = self.study.data.get(key, {})
        return section

    def names(self, key: str) -> list[str]:
        """Return a list of names of the study, empty where there is none."""
        names: list[str] = self.study.data.get(key, [])
        return names


def merge(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings, later over earlier, into nested ones too."""
    merged: dict[str, Any] = {}
    for block in blocks:
        for key, value in block.items():
            old = merged.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                merged[key] = merge(old, value)
            else:
                merged[key] = value
    return merged

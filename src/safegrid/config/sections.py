"""Documents behind a study, read once, with one list of problems."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.config.benchmark import BenchmarkEntry, BenchmarkSpec
from safegrid.config.documents import Document, KeyPath, Problems, check_kinds
from safegrid.config.study import StudyEntry
from safegrid.config.training import Training
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

    def note(self, key: KeyPath, message: str) -> None:
        """Note a problem with what stands under a key of the study."""
        self.problems.add(self.study.where(key), ".".join(map(str, key)), message)

    def unknown(
        self, key: KeyPath, value: Any, kind: str, known: Iterable[str]
    ) -> None:
        """Note a name in the study that is none of the known ones."""
        where, dotted = self.study.where(key), ".".join(map(str, key))
        self.problems.unknown(where, dotted, value, kind, known)

    def section(self, key: str) -> dict[str, Any]:
        """Return a section of the study, empty where there is none."""
        section: dict[str, Any] = self.study.data.get(key, {})
        return section

    def names(self, key: str) -> list[str]:
        """Return a list of names of the study, empty where there is none."""
        names: list[str] = self.study.data.get(key, [])
        return names


def check_shapes(documents: StudyDocuments) -> None:
    """Note values that cannot stand where they do, and take them out.

    What checks and merges read after this has the kinds that its keys ask for.
    """
    study, problems = documents.study, documents.problems
    check_kinds(StudyEntry, study, (), problems)
    for name in documents.section("benchmarks"):
        check_kinds(BenchmarkEntry, study, ("benchmarks", name), problems)
    check_kinds(Training, study, ("training",), problems)
    for name in documents.section("recipes"):
        check_kinds(Training, study, ("recipes", name, "training"), problems)
    for name in documents.benchmarks.data:
        check_kinds(BenchmarkSpec, documents.benchmarks, (name,), problems)
    for name in documents.methods.data:
        check_kinds(Training, documents.methods, (name,), problems)


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

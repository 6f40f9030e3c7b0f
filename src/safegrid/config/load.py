"""Read a study with its registries and resolve every name, or tell all that is wrong.

`config/config.yaml` names the study; `config/studies/` holds the studies and the
other files of `config/` the registries that studies draw from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.config.benchmark import BenchmarkSpec, TaskEntry
from safegrid.config.benchmarks import resolve_benchmarks
from safegrid.config.block import NAMING, is_name
from safegrid.config.checks import check_fluency, check_study
from safegrid.config.documents import Document, Problems, validate
from safegrid.config.graph import check_graph, check_judging_recipes
from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.lock import Lock
from safegrid.config.methods import METHODS
from safegrid.config.names import Known, check_names
from safegrid.config.recipes import (
    add_defaults_of_size,
    check_adapters,
    check_served,
    resolve_recipes,
)
from safegrid.config.registries import ALL, entries_of, read_lock, read_templates
from safegrid.config.sections import StudyDocuments, check_shapes
from safegrid.config.source import SourceSpec
from safegrid.config.study import BaseEntry, StudyEntry
from safegrid.config.training import Recipe
from safegrid.config.upstream import EncoderEntry
from safegrid.config.world import World
from safegrid.config.yaml_files import read_document


@dataclass(frozen=True)
class Config:
    """A study and everything that it names, valid and resolved.

    Attributes:
        own_bases: the base of each recipe that is made of one base only.
    """

    study: StudyEntry
    recipes: dict[str, Recipe]
    own_bases: dict[str, str]
    benchmarks: dict[str, BenchmarkSpec]
    judges: dict[str, JudgeEntry]
    sources: dict[str, SourceSpec]
    bases: dict[str, BaseEntry]
    encoders: dict[str, EncoderEntry]
    tasks: dict[str, TaskEntry]
    worlds: dict[str, World]
    lock: Lock
    templates: dict[str, str]


def load_config(root: Path, name: str) -> Config:
    """Load study `name` from the folder `root` (usually `config`).

    Raises:
        ConfigError: one message with every problem: file and line, key, the value
            got, what is allowed and the likely meant name.
    """
    _check_known(root, name)
    documents = StudyDocuments.read(root, name)
    check_shapes(documents)
    problems = documents.problems
    read = {stem: read_document(root / f"{stem}.yaml", problems) for stem in ALL}
    entries = {
        stem: entries_of(read[stem], kind, problems) for stem, kind in ALL.items()
    }
    sources, bases, judges, encoders, worlds, tasks = entries.values()
    add_defaults_of_size(documents, bases)
    study = validate(StudyEntry, documents.study.data, documents.study, (), problems)
    lock = read_lock(root, problems)
    known: Known = {
        **{stem.removesuffix("s"): found for stem, found in entries.items()},
        "dataset": documents.section("datasets"),
        "method": METHODS,
    }
    blocks: list[tuple[Any, Document]] = [
        *((dict[str, kind], read[stem]) for stem, kind in ALL.items()),  # type: ignore[valid-type]
        (dict[str, BenchmarkSpec], documents.benchmarks),
        (StudyEntry, documents.study),
    ]
    for kind, document in blocks:
        check_names(kind, document.data, document, (), known, problems)
    check_study(documents, sources)
    benchmarks = resolve_benchmarks(documents, known)
    if study is not None:
        check_fluency(documents, study, benchmarks, judges)
    recipes, own_bases = resolve_recipes(documents)
    seeds = study.seeds if study is not None else []
    check_graph(documents, sources, recipes, seeds)
    of_study = study.bases if study is not None else []
    check_adapters(documents, recipes, own_bases, bases, of_study)
    check_served(documents, recipes, own_bases, of_study)
    used = {*_models(study, benchmarks), *own_bases.values()}
    check_judging_recipes(documents, judges, used)
    models = {n: m for n, m in {**bases, **judges}.items() if n in used}
    templates = read_templates(root, models, problems)
    problems.raise_if_any(f"study {name!r}")
    return Config(
        study,
        recipes,
        own_bases,
        benchmarks,
        judges,
        sources,
        bases,
        encoders,
        tasks,
        worlds,
        lock,
        templates,
    )


def _check_known(root: Path, name: str) -> None:
    known = sorted(path.stem for path in (root / "studies").glob("*.yaml"))
    problems = Problems()
    if name not in known:
        problems.unknown(f"{root}/config.yaml", "study", name, "study", known)
    elif not is_name(name):
        file = root / "studies" / f"{name}.yaml"
        problems.add(str(file), "file", f"is named {name!r}: {NAMING}; rename it")
    problems.raise_if_any("configuration")


def _models(
    study: StudyEntry | None, benchmarks: Mapping[str, BenchmarkSpec]
) -> Iterator[str]:
    """Yield the bases of a study, and the judges of its benchmarks and datasets."""
    for spec in benchmarks.values():
        yield from spec.judges
    if study is None:
        return
    yield from (*study.bases, *study.compared)
    for dataset in study.datasets.values():
        yield from dataset.generated.judges if dataset.generated is not None else ()

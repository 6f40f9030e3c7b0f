"""Read a study with its registries and resolve every name, or tell all that is wrong.

`config/config.yaml` names the study; `config/studies/` holds the studies and the
other files of `config/` the registries that studies draw from.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.config.benchmark import BenchmarkSpec, TaskEntry, resolve_benchmarks
from safegrid.config.block import NAMING, is_name
from safegrid.config.checks import (
    check_adapters,
    check_built,
    check_fluency,
    check_judging_recipes,
    check_shapes,
    check_study,
    check_tuned,
)
from safegrid.config.documents import Document, Problems
from safegrid.config.graph import Graph
from safegrid.config.labels import LabelledCell, labelled_cells, labels_file
from safegrid.config.methods import METHODS
from safegrid.config.names import Known, wrong_names
from safegrid.config.recipes import add_defaults_of_size, resolve_recipes
from safegrid.config.registries import (
    ALL,
    Registries,
    entries_of,
    read_lock,
    read_templates,
)
from safegrid.config.study import StudyEntry
from safegrid.config.training import NONE, Recipe, model_names
from safegrid.config.world import World
from safegrid.config.yaml_files import read_document


@dataclass(frozen=True)
class Config(Registries):
    """A study and everything that it names, valid and resolved."""

    study: StudyEntry
    recipes: dict[str, Recipe]
    benchmarks: dict[str, BenchmarkSpec]
    tasks: dict[str, TaskEntry]
    worlds: dict[str, World]
    templates: dict[str, str]
    labels: tuple[LabelledCell, ...]


def load_config(root: Path, name: str) -> Config:
    """Load study `name` from the folder `root` (usually `config`).

    Raises:
        ConfigError: one message with every problem: file and line, key, the value
            got, what is allowed and the likely meant name.
    """
    _check_known(root, name)
    problems = Problems()

    def read(stem: str) -> Document:
        return read_document(root / f"{stem}.yaml", problems)

    files = (f"studies/{name}", "methods", "benchmarks")
    document, methods, benchmarks = map(read, files)
    check_shapes(document, methods, benchmarks)
    registries = {stem: read(stem) for stem in ALL}
    entries = {stem: entries_of(registries[stem], kind) for stem, kind in ALL.items()}
    sources, bases, judges = (entries[stem] for stem in ("sources", "bases", "judges"))
    add_defaults_of_size(document, bases)
    study: StudyEntry | None = document.validate(StudyEntry, document.data)
    lock = read_lock(root, problems)
    known: Known = {
        **{stem.removesuffix("s"): found for stem, found in entries.items()},
        "dataset": document.section("datasets"),
        "method": METHODS,
    }
    for stem, kind in ALL.items():
        _check_names(dict[str, kind], registries[stem], known)  # type: ignore[valid-type]
    _check_names(dict[str, BenchmarkSpec], benchmarks, known)
    _check_names(StudyEntry, document, known)
    check_study(document, methods, sources)
    check_built(registries["bases"], bases, entries["worlds"])
    asked = resolve_benchmarks(document, benchmarks.data, known)
    used = {judge for spec in asked.values() for judge in spec.judges}
    if study is not None:
        check_fluency(document, study, asked, judges)
        used.update(_models(study))
    sweep = document.data.get("tuned")
    tuned = {} if sweep is None else check_tuned(document, read(f"tuned/{sweep}"))
    recipes = resolve_recipes(document, methods.data, tuned)
    seeds = study.seeds if study is not None else []
    Graph(document, sources, recipes, seeds).check()
    check_adapters(document, recipes, bases)
    used.update(recipe.base for recipe in recipes.values() if recipe.base)
    check_judging_recipes(document, registries["judges"], judges, used)
    models = {n: m for n, m in {**bases, **judges}.items() if n in used}
    templates = read_templates(root, models, problems)
    named = set(_names(study, recipes)) if study is not None else set()
    file = labels_file(root, name)
    labels = labelled_cells(file, asked, judges, named, problems)
    problems.raise_if_any(f"study {name!r}")
    assert study is not None, "what does not validate was raised"
    whole: dict[str, Any] = {**entries, "recipes": recipes, "benchmarks": asked}
    whole |= {"lock": lock, "templates": templates, "labels": labels}
    return Config(**whole, study=study)


def _check_known(root: Path, name: str) -> None:
    known = sorted(path.stem for path in (root / "studies").glob("*.yaml"))
    problems = Problems()
    if name not in known:
        problems.unknown(f"{root}/config.yaml", "study", name, "study", known)
    elif not is_name(name):
        file = root / "studies" / f"{name}.yaml"
        problems.add(str(file), "file", f"is named {name!r}: {NAMING}; rename it")
    problems.raise_if_any("configuration")


def _check_names(kind: Any, document: Document, known: Known) -> None:
    for key, told in wrong_names(kind, document.data, known):
        document.note(key, told)


def _names(
    study: StudyEntry, recipes: dict[str, Recipe]
) -> Iterator[tuple[str, str, str]]:
    """Yield base, recipe and seed of every model of a study."""
    for base in (*study.bases, *study.compared):
        yield base, NONE, "0"
        for recipe in recipes.values():
            for name in model_names(recipe):
                yield from ((base, name, str(s)) for s in recipe.seeds or study.seeds)


def _models(study: StudyEntry) -> Iterator[str]:
    """Yield the bases of a study, and the judges of its datasets."""
    yield from (*study.bases, *study.compared)
    for dataset in study.datasets.values():
        yield from dataset.generated.judges if dataset.generated is not None else ()

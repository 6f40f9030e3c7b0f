"""Read a study with its registries and resolve every name, or tell all that is wrong.

`config/config.yaml` names the study; `config/studies/` holds the studies and the
other files of `config/` the registries that studies draw from.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from safegrid.config.blocks import Recipe
from safegrid.config.checks import (
    check_best,
    check_grown,
    check_registries,
    check_study,
    check_texts,
)
from safegrid.config.data import ANSWERED, SourceSpec
from safegrid.config.documents import Document, Problems, read_document, validate
from safegrid.config.formats import check_formats
from safegrid.config.graph import check_graph
from safegrid.config.lock import Lock
from safegrid.config.names import check_names
from safegrid.config.recipes import add_defaults_of_size, resolve_recipes
from safegrid.config.sections import StudyDocuments, merge
from safegrid.config.study import (
    BaseEntry,
    BenchmarkSpec,
    JudgeEntry,
    StudyEntry,
    TaskEntry,
)
from safegrid.config.upstream import ModelUpstream
from safegrid.config.world import World

# The benchmark name of scores that are made from several benchmarks.
GLOBAL = "global"
# Written by `safegrid pin`.
LOCK = "sources.lock.yaml"
# The registries whose entries have an upstream.
UPSTREAM: dict[str, type[BaseModel]] = {
    "sources": SourceSpec,
    "bases": BaseEntry,
    "judges": JudgeEntry,
}
# The kinds of judge of which a metric needs one: without it there is no score at all.
NEEDED = {
    "safety": ("guard",),
    "toxicity": ("toxicity",),
    "over_refusal": ("refusal",),
    "helpfulness": ("reference", "entailment", "reward"),
    "correction": ("correction",),
}


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
    tasks: dict[str, TaskEntry]
    worlds: dict[str, World]
    lock: Lock
    templates: dict[str, str]


@dataclass(frozen=True)
class Registries:
    """Everything that has an upstream, whatever study uses it."""

    sources: dict[str, SourceSpec]
    bases: dict[str, BaseEntry]
    judges: dict[str, JudgeEntry]
    lock: Lock


def load_registries(root: Path) -> Registries:
    """Load what `safegrid pin` can pin, with the lock, from the folder `root`.

    Raises:
        ConfigError: one message with every problem.
    """
    problems = Problems()
    registries = Registries(
        _registry(root, "sources", SourceSpec, problems),
        _registry(root, "bases", BaseEntry, problems),
        _registry(root, "judges", JudgeEntry, problems),
        _lock(root, problems),
    )
    problems.raise_if_any("registries")
    return registries


def load_config(root: Path, name: str) -> Config:
    """Load study `name` from the folder `root` (usually `config`).

    Raises:
        ConfigError: one message with every problem: file and line, key, the value
            got, what is allowed and the likely meant name.
    """
    _check_study(root, name)
    documents = StudyDocuments.read(root, name)
    problems = documents.problems
    grown = read_document(root / "worlds.yaml", problems)
    worlds = _entries(grown, World, problems)
    read = {s: read_document(root / f"{s}.yaml", problems) for s in UPSTREAM}
    entries = {s: _entries(read[s], model, problems) for s, model in UPSTREAM.items()}
    sources, bases, judges = entries.values()
    add_defaults_of_size(documents, bases)
    study = validate(StudyEntry, documents.study.data, documents.study, (), problems)
    lock = _lock(root, problems)
    check_texts(grown, worlds, sources, problems)
    tasks = _registry(root, "tasks", TaskEntry, problems)
    check_names(documents, sources, bases, judges, tasks)
    check_formats(documents, sources)
    check_study(documents)
    check_registries(documents, judges)
    check_best(documents, judges)
    for stem in UPSTREAM:
        check_grown(read[stem], entries[stem], worlds, problems)
    benchmarks = _benchmarks(documents, judges)
    recipes, own_bases = resolve_recipes(documents)
    check_graph(documents, sources)
    used = {
        *([*study.bases, *study.compared] if study is not None else ()),
        *own_bases.values(),
        *_pool_judges(study),
        *(judge for spec in benchmarks.values() for judge in spec.judges),
    }
    models = {n: m for n, m in {**bases, **judges}.items() if n in used}
    templates = _templates(root, models, problems)
    problems.raise_if_any(f"study {name!r}")
    return Config(
        study,
        recipes,
        own_bases,
        benchmarks,
        judges,
        sources,
        bases,
        tasks,
        worlds,
        lock,
        templates,
    )


def _check_study(root: Path, name: str) -> None:
    known = sorted(path.stem for path in (root / "studies").glob("*.yaml"))
    if name not in known:
        problems = Problems()
        problems.unknown(f"{root}/config.yaml", "study", name, "study", known)
        problems.raise_if_any("configuration")


def _registry(
    root: Path, stem: str, model: type[BaseModel], problems: Problems
) -> dict[str, Any]:
    return _entries(read_document(root / f"{stem}.yaml", problems), model, problems)


def _entries(
    document: Document, model: type[BaseModel], problems: Problems
) -> dict[str, Any]:
    entries = {}
    for name, data in document.data.items():
        # An entry that knows its own name takes the key that it stands under.
        if "name" in model.model_fields and isinstance(data, dict):
            data = {"name": name, **data}
        entries[name] = validate(model, data, document, (name,), problems)
    return {name: entry for name, entry in entries.items() if entry is not None}


def _lock(root: Path, problems: Problems) -> Lock:
    """Read the lock of a configuration; without one nothing is pinned."""
    if not (root / LOCK).is_file():
        return Lock()
    document = read_document(root / LOCK, problems)
    lock: Lock | None = validate(Lock, document.data, document, (), problems)
    return lock or Lock()


def _templates(
    root: Path, models: dict[str, ModelUpstream], problems: Problems
) -> dict[str, str]:
    """Return the text of every chat template that a base or a judge names."""
    folder = root / "templates"
    there = {path.stem: path for path in sorted(folder.glob("*.jinja"))}
    for name, model in models.items():
        if model.template is not None and model.template not in there:
            key = f"{name}.template"
            problems.unknown(str(folder), key, model.template, "template", there)
    return {name: path.read_text(encoding="utf-8") for name, path in there.items()}


def _pool_judges(study: StudyEntry | None) -> list[str]:
    """Return the judges that pick rows of datasets which a model makes."""
    datasets = study.datasets.values() if study is not None else ()
    made = (spec.made for spec in datasets)
    return [judge for spec in made if spec is not None for judge in spec.judges]


def _benchmarks(
    documents: StudyDocuments, judges: dict[str, Any]
) -> dict[str, BenchmarkSpec]:
    """Merge each benchmark of the study over the registry's of that name or `like`."""
    registry = documents.benchmarks.data
    found = {}
    for name, block in documents.section("benchmarks").items():
        path = ("benchmarks", name)
        block = dict(block) if isinstance(block, dict) else {}
        like = block.pop("like", name)
        if like not in registry:
            where = documents.study.where(path)
            key = f"benchmarks.{name}"
            documents.problems.unknown(where, key, like, "benchmark", registry)
            continue
        merged = merge(registry[like], block)
        spec = validate(
            BenchmarkSpec, merged, documents.study, path, documents.problems
        )
        if spec is not None:
            _check_benchmark(documents, name, spec, judges)
            found[name] = spec
    return found


def _check_benchmark(
    documents: StudyDocuments, name: str, spec: BenchmarkSpec, judges: dict[str, Any]
) -> None:
    where = documents.study.where(("benchmarks", name))
    key = f"benchmarks.{name}"
    if name == GLOBAL:
        documents.problems.add(
            where, key, "the name is taken by the mean of the safety benchmarks"
        )
    kinds = {judges[judge].kind for judge in spec.judges if judge in judges}
    needed = NEEDED.get(spec.metric, ())
    if kinds and needed and not kinds.intersection(needed):
        documents.problems.add(
            where,
            f"{key}.judges",
            f"metric {spec.metric!r} needs a judge of kind"
            f" {' or '.join(map(repr, needed))}, got kinds {', '.join(sorted(kinds))}",
        )
    if spec.prompts and "reference" in kinds and spec.prompts.kind not in ANSWERED:
        documents.problems.add(
            where,
            f"{key}.judges",
            f"a judge of kind 'reference' needs prompts with a known answer, and kind"
            f" {spec.prompts.kind!r} has none; expected one of"
            f" {', '.join(sorted(ANSWERED))}",
        )
    if spec.metric == "capability":
        if not spec.tasks:
            documents.problems.add(where, key, "a capability suite needs `tasks`")
    elif spec.prompts is None or spec.decode is None or not spec.judges:
        documents.problems.add(
            where,
            key,
            f"metric {spec.metric!r} needs `prompts`, `decode` and `judges`; only"
            " 'capability' goes without",
        )

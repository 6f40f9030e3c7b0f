"""Read a study with its registries and resolve every name, or tell all that is wrong.

`config/config.yaml` names the study; `config/studies/` holds the studies and the
other files of `config/` the registries that studies draw from.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from safegrid.config.blocks import Recipe, Training
from safegrid.config.data import SourceSpec
from safegrid.config.documents import (
    Document,
    Problems,
    likely,
    read_document,
    validate,
)
from safegrid.config.study import (
    BaseEntry,
    BenchmarkSpec,
    JudgeEntry,
    Metric,
    RecipeEntry,
    StudyEntry,
)
from safegrid.config.world import World
from safegrid.methods import METHODS, check_method

RESERVED = ("raw", "bases", "judges")
SHORT = {"learning_rate": "lr"}


@dataclass(frozen=True)
class Config:
    """A study and everything that it names, valid and resolved."""

    study: StudyEntry
    recipes: dict[str, Recipe]
    benchmarks: dict[str, BenchmarkSpec]
    judges: dict[str, JudgeEntry]
    sources: dict[str, SourceSpec]
    bases: dict[str, BaseEntry]
    worlds: dict[str, World]


def load_config(root: Path, name: str) -> Config:
    """Load study `name` from the folder `root` (usually `config`).

    Raises:
        ConfigError: one message with every problem: file and line, key, the value
            got, what is allowed and the likely meant name.
    """
    problems = Problems()
    known = sorted(path.stem for path in (root / "studies").glob("*.yaml"))
    if name not in known:
        problems.unknown(f"{root}/config.yaml", "study", name, "study", known)
        problems.raise_if_any("configuration")
    loader = _Loader(root, name, problems)
    config = loader.load()
    problems.raise_if_any(f"study {name!r}")
    assert config is not None, "a study without problems is complete"
    return config


class _Loader:
    """Reads the documents once and keeps the problems in one list."""

    def __init__(self, root: Path, name: str, problems: Problems) -> None:
        self.root = root
        self.problems = problems
        self.name = name
        self.document = read_document(root / "studies" / f"{name}.yaml", problems)
        self.methods = read_document(root / "methods.yaml", problems)
        self.benchmarks = read_document(root / "benchmarks.yaml", problems)

    def load(self) -> Config | None:
        """Return the whole configuration, or None where problems were found."""
        study = validate(
            StudyEntry, self.document.data, self.document, (), self.problems
        )
        worlds = self._registry("worlds", World)
        sources = self._registry("sources", SourceSpec)
        bases = self._registry("bases", BaseEntry)
        judges = self._registry("judges", JudgeEntry)
        self._check_names(sources, bases, judges)
        benchmarks = self._benchmarks()
        recipes = self._recipes()
        self._check_starts()
        if study is None or self.problems.found:
            return None
        return Config(study, recipes, benchmarks, judges, sources, bases, worlds)

    def _registry(self, stem: str, model: type[BaseModel]) -> dict[str, Any]:
        document = read_document(self.root / f"{stem}.yaml", self.problems)
        entries = {
            name: validate(
                model, _named(name, data, model), document, (name,), self.problems
            )
            for name, data in document.data.items()
        }
        return {name: entry for name, entry in entries.items() if entry is not None}

    def _mapping(self, key: str) -> dict[str, Any]:
        """Return a section of the study; a wrong type was told by its model."""
        section = self.document.data.get(key) or {}
        return section if isinstance(section, dict) else {}

    def _benchmarks(self) -> dict[str, BenchmarkSpec]:
        found = {}
        for name, block in self._mapping("benchmarks").items():
            path = ("benchmarks", name)
            block = dict(block) if isinstance(block, dict) else {}
            like = block.pop("like", name)
            if like not in self.benchmarks.data:
                self.problems.unknown(
                    self.document.where(path),
                    f"benchmarks.{name}",
                    like,
                    "benchmark",
                    self.benchmarks.data,
                )
                continue
            merged = _merge(self.benchmarks.data[like], block)
            spec = validate(BenchmarkSpec, merged, self.document, path, self.problems)
            if spec is not None:
                self._check_benchmark(name, spec)
                found[name] = spec
        return found

    def _check_benchmark(self, name: str, spec: BenchmarkSpec) -> None:
        where = self.document.where(("benchmarks", name))
        key = f"benchmarks.{name}"
        if spec.metric == "capability":
            if not spec.tasks:
                self.problems.add(where, key, "a capability suite needs `tasks`")
        elif spec.prompts is None or spec.decode is None or not spec.judges:
            self.problems.add(
                where,
                key,
                f"metric {spec.metric!r} needs `prompts`, `decode` and `judges`;"
                f" only {get_args(Metric)[-1]!r} goes without",
            )

    def _recipes(self) -> dict[str, Recipe]:
        tuned = self._tuned()
        found = {}
        for name, block in self._mapping("recipes").items():
            path = ("recipes", name)
            entry = validate(RecipeEntry, block, self.document, path, self.problems)
            if entry is None or not self._method_known(name, entry):
                continue
            for variant, settings in self._variants(name, entry):
                training = _merge(
                    self.methods.data.get(entry.method) or {},
                    self._mapping("training"),
                    tuned.get(entry.method, {}),
                    entry.training,
                    settings,
                )
                recipe = self._resolve(variant, path, entry, training)
                if recipe is not None:
                    found[variant] = recipe
        return found

    def _resolve(
        self,
        name: str,
        path: tuple[str, ...],
        entry: RecipeEntry,
        training: dict[str, Any],
    ) -> Recipe | None:
        where = (*path, "training")
        settings = validate(Training, training, self.document, where, self.problems)
        if settings is None:
            return None
        fields = entry.model_dump(exclude={"training"})
        recipe = Recipe(name=name, training=settings, **fields)
        for sentence in check_method(recipe):
            self.problems.add(
                self.document.where(path), ".".join(where), f"{name}: {sentence}"
            )
        return recipe

    def _variants(
        self, name: str, entry: RecipeEntry
    ) -> list[tuple[str, dict[str, float]]]:
        """Return the recipe itself, or one variant for each point of the sweep."""
        sweep = dict(self._mapping("sweep"))
        if not sweep:
            return [(name, {})]
        if not METHODS[entry.method].beta:
            sweep.pop("beta", None)
        points = itertools.product(*sweep.values())
        settings = [dict(zip(sweep, point, strict=True)) for point in points]
        return [(sweep_name(name, point), point) for point in settings]

    def _method_known(self, name: str, entry: RecipeEntry) -> bool:
        where = self.document.where(("recipes", name, "method"))
        if entry.method not in METHODS:
            self.problems.unknown(
                where, f"recipes.{name}.method", entry.method, "method", METHODS
            )
            return False
        return True

    def _tuned(self) -> dict[str, Any]:
        stem = self.document.data.get("tuned")
        if not isinstance(stem, str):
            return {}
        document = read_document(self.root / "tuned" / f"{stem}.yaml", self.problems)
        chosen = document.data.get("chosen")
        if not isinstance(chosen, dict):
            self.problems.add(str(document.path), "chosen", "missing: settings a method")
            return {}
        return chosen

    def _check_names(self, sources: Any, bases: Any, judges: Any) -> None:
        """Check every name that the study takes from a registry."""
        self._known("bases", self.document.data.get("bases"), "base", bases)
        datasets = self._mapping("datasets")
        for name, block in datasets.items():
            if isinstance(block, dict):
                key = f"datasets.{name}.source"
                self._source(key, block.get("source"), block.get("file"), sources)
        for name, block in self._mapping("recipes").items():
            if isinstance(block, dict) and "dataset" in block:
                key = f"recipes.{name}.dataset"
                self._known(key, [block["dataset"]], "dataset", datasets)
        for name, block in self._mapping("benchmarks").items():
            if not isinstance(block, dict):
                continue
            key = f"benchmarks.{name}"
            self._known(f"{key}.judges", block.get("judges"), "judge", judges)
            if block.get("task_source") is not None:
                key = f"{key}.task_source"
                self._known(key, [block["task_source"]], "source", sources)
            prompts = block.get("prompts")
            if isinstance(prompts, dict):
                key = f"benchmarks.{name}.prompts.source"
                self._source(key, prompts.get("source"), prompts.get("file"), sources)
        if self.name in RESERVED or self.document.data.get("name") != self.name:
            self.problems.add(
                self.document.where(("name",)),
                "name",
                f"must equal the file's name {self.name!r} and be none of {RESERVED}",
            )

    def _known(self, key: str, values: Any, kind: str, allowed: Any) -> None:
        if not isinstance(values, list):
            return
        where = self.document.where(tuple(key.split(".")))
        for value in values:
            if value not in allowed:
                self.problems.unknown(where, key, value, kind, allowed)

    def _source(self, key: str, name: Any, file: Any, sources: Any) -> None:
        if name is None:
            return
        self._known(key, [name], "source", sources)
        if name in sources and file is not None and file not in sources[name].files:
            key = key.replace(".source", ".file")
            where = self.document.where(tuple(key.split(".")))
            files = sources[name].files
            self.problems.unknown(where, key, file, f"file of source {name!r}", files)

    def _check_starts(self) -> None:
        """Check that recipes start from recipes, without a circle."""
        entries = self._mapping("recipes")
        starts = {
            name: block.get("start")
            for name, block in entries.items()
            if isinstance(block, dict)
        }
        for name, start in starts.items():
            where = self.document.where(("recipes", name, "start"))
            key = f"recipes.{name}.start"
            if start is not None and start not in starts:
                self.problems.unknown(where, key, start, "recipe", starts)
            elif _circular(name, starts):
                self.problems.add(where, key, f"got {start!r}: starts from itself")


def sweep_name(recipe: str, settings: Mapping[str, float]) -> str:
    """Name the variant of a recipe at one point of a sweep."""
    return "-".join(
        [recipe, *(f"{SHORT.get(key, key)}{value:g}" for key, value in settings.items())]
    )


def _named(name: str, data: Any, model: type[BaseModel]) -> Any:
    """Give an entry that knows its own name the key that it stands under."""
    if "name" in model.model_fields and isinstance(data, dict):
        return {"name": name, **data}
    return data


def _circular(name: str, starts: Mapping[str, Any]) -> bool:
    seen = {name}
    current = starts.get(name)
    while current is not None:
        if current in seen:
            return True
        seen.add(current)
        current = starts.get(current)
    return False


def _merge(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings, later over earlier, into nested ones too."""
    merged: dict[str, Any] = {}
    for block in blocks:
        for key, value in block.items():
            old = merged.get(key)
            nested = isinstance(old, dict) and isinstance(value, dict)
            merged[key] = _merge(old, value) if nested else value
    return merged


__all__ = ["Config", "Document", "likely", "load_config", "sweep_name"]

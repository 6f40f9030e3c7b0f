"""Checks of what a study's blocks ask of each other, and of the methods' registry."""

from collections.abc import Collection, Mapping
from typing import Any

from safegrid.config.benchmark import BenchmarkEntry, BenchmarkSpec
from safegrid.config.documents import Document
from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.methods import METHODS
from safegrid.config.source import SourceSpec
from safegrid.config.study import BaseEntry, StudyEntry
from safegrid.config.training import NONE, Recipe, Training
from safegrid.config.world import World

# Folders of results/ and logs/ that belong to all studies.
RESERVED = ("raw", "bases", "judges", "encoders", "gguf", "timing", "speed")
# Keys of a dataset that read labels which only comparisons have.
OF_COMPARISONS = ("keep", "categories")
# The embedding's name in Llama, the family of the miniature's models.
EMBEDDING = "embed_tokens"


def check_shapes(study: Document, methods: Document, benchmarks: Document) -> None:
    """Note values that cannot stand where they do, and take them out.

    What checks and merges read after this has the kinds that its keys ask for.
    """
    study.check_kinds(StudyEntry)
    for name in study.section("benchmarks"):
        study.check_kinds(BenchmarkEntry, ("benchmarks", name))
    study.check_kinds(Training, ("training",))
    for name in study.section("recipes"):
        study.check_kinds(Training, ("recipes", name, "training"))
    for name in benchmarks.data:
        benchmarks.check_kinds(BenchmarkSpec, (name,))
    for name in methods.data:
        methods.check_kinds(Training, (name,))


def check_study(
    study: Document, methods: Document, sources: Mapping[str, SourceSpec]
) -> None:
    """Note names that are taken, and keys that do not go together."""
    name, stem = study.data.get("name"), study.path.stem
    if stem in RESERVED or name != stem:
        study.note(
            ("name",),
            f"got {name!r}: must equal the file's name {stem!r} and be none of"
            f" {', '.join(RESERVED)}",
        )
    if NONE in study.section("recipes"):
        study.note(
            ("recipes", NONE),
            "the name is taken by the base untouched, which stands in every study",
        )
    asked = [*study.data.get("bases", []), *study.data.get("compared", [])]
    for base in study.section("engines"):
        if base not in asked:
            study.unknown(("engines", base), base, "base", asked)
    for method in methods.data:
        if method not in METHODS:
            methods.unknown((method,), method, "method", METHODS)
    for dataset, block in study.section("datasets").items():
        _check_labels_read(study, dataset, block, sources)
        _check_beams(study, dataset, block.get("corrections") or {})


def check_built(
    document: Document, bases: Mapping[str, BaseEntry], worlds: Mapping[str, World]
) -> None:
    """Note bases of a world that it does not build."""
    for name, base in bases.items():
        world = worlds.get(base.world or "")
        if world is not None and name not in world.bases:
            document.note(
                (name, "world"),
                f"world {world.name!r} builds {', '.join(world.bases)}, and no {name}:"
                " a base has the world's name and the end that `sizes` gives it there",
            )


def _check_labels_read(
    study: Document,
    name: str,
    block: Mapping[str, Any],
    sources: Mapping[str, SourceSpec],
) -> None:
    source = sources.get(str(block.get("source")))
    if source is None or source.format == "pku":
        return
    for key in OF_COMPARISONS:
        if block.get(key) is not None:
            study.note(
                ("datasets", name, key),
                f"is for sources of format 'pku'; pairs of format {source.format!r} say"
                " themselves what is chosen: remove it",
            )


def _engine_kinds(study: Document, bases: Collection[str]) -> dict[str, str]:
    """Return the kind of the engine that answers for each of some bases."""
    engines, of_all = study.section("engines"), study.section("engine")
    return {b: engines.get(b, of_all).get("kind", "safegrid") for b in bases}


def _check_beams(study: Document, name: str, made: Mapping[str, Any]) -> None:
    """Check that the engine of a dataset's maker can search in beams."""
    if made.get("beams") is None:
        return
    bases = [made["base"]] if made.get("base") else study.data.get("bases", [])
    for kind in sorted({*_engine_kinds(study, bases).values()} - {"safegrid"}):
        study.note(
            ("datasets", name, "corrections", "beams"),
            f"an engine of kind {kind!r} searches in no diverse beams, and its server"
            " runs no code of ours: set its `kind: safegrid`, or remove `beams`",
        )


def check_fluency(
    document: Document,
    study: StudyEntry,
    benchmarks: Mapping[str, BenchmarkSpec],
    judges: Mapping[str, JudgeEntry],
) -> None:
    """Note judges of fluency that have no fluent texts to fix their threshold on."""
    if any(dataset.generated is None for dataset in study.datasets.values()):
        return
    for name, benchmark in benchmarks.items():
        for judge in filter(None, map(judges.get, benchmark.judges)):
            if judge.kind == "fluency" and judge.labelled_source is None:
                document.note(
                    ("benchmarks", name, "judges"),
                    f"{judge.name!r} has no fluent texts to fix its threshold on: give"
                    " the study a dataset with a `source` (no recipe needs to use it),"
                    " or the judge `labelled_source` and `labelled_file`",
                )


def check_tuned(study: Document, tuned: Document) -> dict[str, Any]:
    """Return the settings that a sweep chose, by method; problems are noted.

    Every method of the study must be among them: one that fell back to the shared
    settings would not be tuned as the others are.
    """
    chosen = tuned.data.get("chosen")
    if not isinstance(chosen, dict):
        tuned.note(("chosen",), "missing: the settings of each method")
        return {}
    for method in chosen:
        key = ("chosen", method)
        tuned.check_kinds(Training, key)
        if method not in METHODS:
            tuned.unknown(key, method, "method", METHODS)
    for name, block in study.section("recipes").items():
        method = block.get("method")
        if method in METHODS and method not in chosen:
            told = f"method {method!r} of recipe {name!r} has no settings here"
            tuned.note(("chosen",), told)
    return chosen


def check_judging_recipes(
    study: Document,
    document: Document,
    judges: Mapping[str, JudgeEntry],
    used: Collection[str],
) -> None:
    """Note judges of a study whose model none of its recipes ends in."""
    recipes = study.section("recipes")
    for name, judge in judges.items():
        if name in used and judge.recipe not in (None, *recipes):
            document.unknown((name, "recipe"), judge.recipe, "recipe", recipes)


def check_adapters(
    study: Document, recipes: Mapping[str, Recipe], bases: Mapping[str, BaseEntry]
) -> None:
    """Note adapters that cannot be trained, or whose models cannot be served.

    At the embedding of a miniature base, which is its head too; of other bases the
    files say so when a training starts (`safegrid.models.adapters`). Behind vLLM, which
    serves full models only, and would say so when all is trained.
    """
    grown = {name for name, base in bases.items() if base.world is not None}
    for name, recipe in recipes.items():
        lora, key = recipe.training.lora, ("recipes", name, "training")
        if lora is None:
            continue
        at = [recipe.base] if recipe.base else study.data.get("bases", [])
        named = [] if lora.target_modules == "all-linear" else lora.target_modules
        # peft takes the end of a module's name for the module.
        at_embedding = any(target.rpartition(".")[2] == EMBEDDING for target in named)
        tied = ", ".join(sorted(grown.intersection(at)))
        if at_embedding and tied and METHODS[recipe.method].answers:
            study.note(
                key,
                f"lora.target_modules names {EMBEDDING}: {tied} has one weight for it"
                " and for lm_head, so an adapter there would be trained beside one and"
                " merged into both; remove it",
            )
        kinds = _engine_kinds(study, at)
        served = sorted(base for base, kind in kinds.items() if kind == "vllm")
        if served:
            study.note(
                (*key, "lora"),
                f"an engine of kind 'vllm' answers for {', '.join(served)}, and serves"
                " full models, no adapters. Say `kind: safegrid`; or train it so, save"
                f" the merged model (`safegrid merge --study {study.path.stem} --model"
                f" {served[0]}/{name}/seed0 --out FOLDER`) and give FOLDER as the"
                " `path` of a base of another study, with `kind: vllm` there",
            )

"""Resolve a study's recipes: defaults, tuned settings and overrides into one block."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from safegrid.config.checks import check_tuned
from safegrid.config.documents import validate
from safegrid.config.methods import METHODS, check_method
from safegrid.config.sections import StudyDocuments, merge
from safegrid.config.study import BaseEntry, RecipeEntry
from safegrid.config.training import Recipe, Training, beyond
from safegrid.config.yaml_files import read_document

# A base of so many billions of parameters is large, and trained by default like this.
LARGE = 7
LARGE_TRAINING: dict[str, Any] = {
    "precision": "bfloat16",
    "gradient_checkpointing": True,
    "lora": {"r": 16, "lora_alpha": 16, "lora_dropout": 0.05},
}
# The embedding's name in Llama, the family of the miniature's models.
EMBEDDING = "embed_tokens"
# How a setting is named in the name of a sweep's recipe.
SHORT = {"learning_rate": "lr"}


def add_defaults_of_size(
    documents: StudyDocuments, bases: Mapping[str, BaseEntry]
) -> None:
    """Give a study that trains a large base the settings that fit on a GPU.

    They stand below everything that the study says: `lora: null` trains all weights.
    """
    known = [bases[name] for name in documents.names("bases") if name in bases]
    if max((base.n_params_b or 0 for base in known), default=0) >= LARGE:
        own = documents.section("training")
        documents.study.data["training"] = {**LARGE_TRAINING, **own}


def resolve_recipes(
    documents: StudyDocuments,
) -> tuple[dict[str, Recipe], dict[str, str]]:
    """Return every recipe of a study, resolved, and the bases of those that name one.

    Problems are noted.

    A setting of a recipe wins over one that was tuned for its method, that over the
    study's shared `training`, that over the method's own default. In a sweep study
    each recipe stands once for each point of the grid.
    """
    tuned = _tuned(documents)
    found: dict[str, Recipe] = {}
    own: dict[str, str] = {}
    for name, block in documents.section("recipes").items():
        path = ("recipes", name)
        entry = validate(RecipeEntry, block, documents.study, path, documents.problems)
        if entry is None or entry.method not in METHODS:
            continue
        for variant, settings in _variants(documents, name, entry):
            training = merge(
                documents.methods.data.get(entry.method) or {},
                documents.section("training"),
                tuned.get(entry.method, {}),
                entry.training,
                settings,
            )
            recipe = _resolve(documents, variant, path, entry, training)
            if recipe is not None:
                found[variant] = recipe
                own |= {variant: entry.base} if entry.base is not None else {}
    return found, own


def check_adapters(
    documents: StudyDocuments,
    recipes: Mapping[str, Recipe],
    own_bases: Mapping[str, str],
    bases: Mapping[str, BaseEntry],
    of_study: Sequence[str],
) -> None:
    """Note adapters at the embedding of a miniature base: it is the base's head too.

    Of other bases the files say so when a training starts (`safegrid.models.adapters`).

    Args:
        documents: where the problems are noted.
        recipes: resolved.
        own_bases: of recipes that are made of one base.
        bases: of the registry.
        of_study: the bases of all other recipes.
    """
    grown = {name for name, base in bases.items() if base.world is not None}
    for name, recipe in recipes.items():
        lora = recipe.training.lora
        named = (
            []
            if lora is None or lora.target_modules == "all-linear"
            else lora.target_modules
        )
        # peft takes the end of a module's name for the module.
        at_embedding = any(target.rpartition(".")[2] == EMBEDDING for target in named)
        at = {own_bases[name]} if name in own_bases else set(of_study)
        if at_embedding and at & grown and METHODS[recipe.method].answers:
            documents.note(
                ("recipes", name, "training"),
                f"lora.target_modules names {EMBEDDING}:"
                f" {', '.join(sorted(at & grown))} has one weight for it and for"
                " lm_head, so an adapter there would be trained beside one and merged"
                " into both; remove it",
            )


def check_served(
    documents: StudyDocuments,
    recipes: Mapping[str, Recipe],
    own_bases: Mapping[str, str],
    of_study: Sequence[str],
) -> None:
    """Note recipes with an adapter whose models vLLM would have to serve.

    It serves full models only, and would say so when all is trained.
    """
    engines, of_all = documents.section("engines"), documents.section("engine")
    for name, recipe in recipes.items():
        at = [own_bases[name]] if name in own_bases else of_study
        kinds = {base: engines.get(base, of_all).get("kind") for base in at}
        served = sorted(base for base, kind in kinds.items() if kind == "vllm")
        if recipe.training.lora is not None and served:
            documents.note(
                ("recipes", name, "training", "lora"),
                f"an engine of kind 'vllm' answers for {', '.join(served)}, and serves"
                " full models, no adapters. Say `kind: safegrid`; or train it so, save"
                f" the merged model (`safegrid merge --study {documents.name} --model"
                f" {served[0]}/{name}/seed0 --out FOLDER`) and give FOLDER as the"
                " `path` of a base of another study, with `kind: vllm` there",
            )


def sweep_name(recipe: str, settings: Mapping[str, float]) -> str:
    """Name the variant of a recipe at one point of a sweep."""
    parts = (f"{SHORT.get(key, key)}{value:g}" for key, value in settings.items())
    return "-".join([recipe, *parts])


def sweep_points(sweep: Mapping[str, list[float]], method: str) -> list[dict[str, Any]]:
    """Return the settings that a sweep tries for a method: beta only if it has one."""
    axes = {k: v for k, v in sweep.items() if k != "beta" or METHODS[method].beta}
    points = itertools.product(*axes.values())
    return [dict(zip(axes, point, strict=True)) for point in points]


def _variants(
    documents: StudyDocuments, name: str, entry: RecipeEntry
) -> list[tuple[str, dict[str, Any]]]:
    sweep = documents.section("sweep")
    if not sweep:
        return [(name, {})]
    points = sweep_points(sweep, entry.method)
    return [(sweep_name(name, point), point) for point in points]


def _resolve(
    documents: StudyDocuments,
    name: str,
    path: tuple[str, ...],
    entry: RecipeEntry,
    training: dict[str, Any],
) -> Recipe | None:
    key = (*path, "training")
    settings = validate(Training, training, documents.study, key, documents.problems)
    if settings is None:
        return None
    fields = entry.model_dump(exclude={"training", "base"})
    recipe = Recipe(name=name, training=settings, **fields)
    sentences = [
        *check_method(recipe),
        *_check_precision(documents, recipe),
        *_check_checkpoints(documents, recipe),
    ]
    for sentence in sentences:
        documents.note(key, f"{name}: {sentence}")
    return recipe


def _check_precision(documents: StudyDocuments, recipe: Recipe) -> list[str]:
    """Refuse a precision of its own where reference values are the whole study's."""
    shared = documents.section("training").get("precision", "float32")
    own = recipe.training.precision
    if own == shared or not METHODS[recipe.method].reference:
        return []
    return [
        f"precision {own!r} is not the study's {shared!r}, in which the reference"
        " values of all recipes are computed; set `training.precision` for the study"
    ]


def _check_checkpoints(documents: StudyDocuments, recipe: Recipe) -> list[str]:
    """Refuse checkpoints that would be no models of the grid."""
    training = recipe.training
    if not training.checkpoints:
        return []
    if documents.section("sweep"):
        return [
            "a sweep study keeps no checkpoints, because it chooses settings by the end"
            " of each training; remove `checkpoints`"
        ]
    if not METHODS[recipe.method].answers:
        return [
            f"a model of method {recipe.method!r} gives no answers, so its checkpoints"
            " would be measured by nothing; set `checkpoints: []` in its `training`"
        ]
    return (
        []
        if training.max_steps is None
        else beyond(training.checkpoints, training.max_steps)
    )


def _tuned(documents: StudyDocuments) -> dict[str, Any]:
    stem = documents.study.data.get("tuned")
    if stem is None:
        return {}
    path = documents.root / "tuned" / f"{stem}.yaml"
    return check_tuned(documents, read_document(path, documents.problems))

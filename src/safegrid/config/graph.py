"""Check the graph of recipes and datasets: what starts from what, who makes what."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from safegrid.config.documents import KeyPath
from safegrid.config.generated import GENERATED
from safegrid.config.judge_entry import JudgeEntry
from safegrid.config.methods import METHODS
from safegrid.config.sections import StudyDocuments
from safegrid.config.source import INSTRUCTION_FORMATS, SourceSpec
from safegrid.config.training import NONE, Recipe, split_dose, why_no_dose

Blocks = dict[str, dict[str, Any]]


def check_graph(
    documents: StudyDocuments,
    sources: Mapping[str, SourceSpec],
    resolved: Mapping[str, Recipe],
    seeds: list[int],
) -> None:
    """Note recipes and datasets that cannot be made of what they name.

    Args:
        documents: of the study.
        sources: of the registry.
        resolved: the study's recipes, those that are whole.
        seeds: with which recipes are trained that have none of their own; empty where
            they are not known.
    """
    recipes, datasets = documents.section("recipes"), documents.section("datasets")
    for name, block in recipes.items():
        _check_start(documents, name, recipes, datasets)
        _check_dose(documents, ("recipes", name, "init_from"), resolved)
        _check_base(documents, name, recipes)
        _check_seeds(documents, name, resolved, seeds)
        _check_rows(documents, name, block, datasets, sources)
    for name, block in datasets.items():
        for origin in GENERATED:
            if block.get(origin) is not None:
                key = ("datasets", name, origin)
                _check_made(documents, key, block[origin], recipes)
                _check_dose(documents, (*key, "recipe"), resolved)
                _check_maker_base(documents, key, block[origin])


def check_judging_recipes(
    documents: StudyDocuments, judges: Mapping[str, JudgeEntry], used: Collection[str]
) -> None:
    """Note judges of a study whose model none of its recipes ends in."""
    recipes = documents.section("recipes")
    where = str(documents.root / "judges.yaml")
    for name, judge in judges.items():
        if name in used and judge.recipe not in (None, *recipes):
            key = f"{name}.recipe"
            documents.problems.unknown(where, key, judge.recipe, "recipe", recipes)


def _check_start(
    documents: StudyDocuments, name: str, recipes: Blocks, datasets: Blocks
) -> None:
    start, key = recipes[name].get("init_from"), ("recipes", name, "init_from")
    if start is not None and _trained_as(start) not in recipes:
        documents.unknown(key, start, "recipe", recipes)
    elif start is not None and not _answers(recipes[_trained_as(start)]):
        documents.note(
            key,
            f"got {start!r}: its model gives scores, and nothing to start from",
        )
    if name in _behind(name, recipes, datasets):
        own = f"got {start!r}: it" if start is not None else "it"
        documents.note(key, f"{own} starts from itself, or its rows are made by it")


def _behind(name: str, recipes: Blocks, datasets: Blocks) -> set[str]:
    """Return every recipe that must be trained before a recipe."""
    seen: set[str] = set()
    ahead = [*_parents(name, recipes, datasets)]
    while ahead:
        parent = ahead.pop()
        if parent not in seen and parent in recipes:
            seen.add(parent)
            ahead += _parents(parent, recipes, datasets)
    return seen


def _parents(name: str, recipes: Blocks, datasets: Blocks) -> Iterator[str]:
    recipe = recipes[name]
    dataset = datasets.get(str(recipe.get("dataset")), {})
    yield from (_trained_as(p) for p in [recipe.get("init_from")] if p is not None)
    made = (dataset.get(origin) or {} for origin in GENERATED)
    yield from (_trained_as(block["recipe"]) for block in made if "recipe" in block)


def _trained_as(name: object) -> str:
    """Return the recipe whose training makes a model, which may be a dose of it."""
    return split_dose(str(name))[0]


def _check_dose(
    documents: StudyDocuments, key: KeyPath, resolved: Mapping[str, Recipe]
) -> None:
    """Check that a model which is named is kept, where it is a dose."""
    why = why_no_dose(str(documents.study.at(key)), resolved)
    if why is not None:
        documents.note(key, why)


def _check_seeds(
    documents: StudyDocuments,
    name: str,
    resolved: Mapping[str, Recipe],
    of_study: list[int],
) -> None:
    """Check that a recipe has a model to start from at each of its seeds."""
    recipe = resolved.get(name)
    start = resolved.get(_trained_as(recipe.init_from)) if recipe is not None else None
    if recipe is None or start is None or not (there := start.seeds or of_study):
        return
    if lacking := set(recipe.seeds or of_study) - set(there):
        seeds = ", ".join(map(str, sorted(lacking)))
        told = f"{start.name!r} is not trained with seed {seeds}; add it to its `seeds`"
        documents.note(("recipes", name, "init_from"), told)


def _check_base(documents: StudyDocuments, name: str, recipes: Blocks) -> None:
    """Check a base of its own: answers are compared with those of the study's bases."""
    base, key = recipes[name].get("base"), ("recipes", name, "base")
    start = recipes.get(_trained_as(recipes[name].get("init_from")), {})
    if start.get("base") not in (None, base):
        documents.note(key, f"it starts from a recipe of base {start['base']!r} only")
    if base is None:
        return
    known = base in documents.names("bases")
    if not known and (_answers(recipes[name]) or start):
        documents.note(
            key,
            f"got {base!r}, which is none of the study's bases; only a"
            " recipe of method 'reward' that starts from it may have another",
        )


def _check_rows(
    documents: StudyDocuments,
    name: str,
    block: dict[str, Any],
    datasets: Blocks,
    sources: Mapping[str, SourceSpec],
) -> None:
    """Check that a method which compares answers has two of them to compare."""
    dataset, method = str(block.get("dataset")), block.get("method")
    if method == "sft" or not _is_instructions(datasets.get(dataset, {}), sources):
        return
    documents.note(
        ("recipes", name, "dataset"),
        f"{dataset!r} holds instructions with one answer each, and method {method!r}"
        " compares two; take a dataset of preference pairs, or method 'sft'",
    )


def _is_instructions(block: dict[str, Any], sources: Mapping[str, SourceSpec]) -> bool:
    if block.get("parts") or block.get("best_of_k"):
        return True
    source = sources.get(str(block.get("source")))
    return source is not None and source.format in INSTRUCTION_FORMATS


def _check_made(
    documents: StudyDocuments,
    key: tuple[str, ...],
    block: dict[str, Any],
    recipes: Blocks,
) -> None:
    maker = _trained_as(block.get("recipe"))
    if key[1] in documents.section("benchmarks"):
        documents.note(
            key,
            "a benchmark has this name; a dataset that a model makes"
            " is asked like one, and needs a name of its own",
        )
    named = block.get("recipe")
    if maker != NONE and maker not in recipes:
        documents.unknown((*key, "recipe"), named, "recipe", [NONE, *recipes])
    elif maker != NONE and not _answers(recipes[maker]):
        documents.note((*key, "recipe"), f"got {named!r}: its model gives no answers")


def _check_maker_base(
    documents: StudyDocuments, key: tuple[str, ...], block: dict[str, Any]
) -> None:
    """Check that the model which makes a dataset is one of the study's."""
    base, maker = block.get("base"), block.get("recipe")
    known: list[str] = []
    for section in ("bases", "compared") if maker == NONE else ("bases",):
        known += documents.names(section)
    if base is not None and base not in known:
        documents.unknown((*key, "base"), base, "base of the study", known)


def _answers(recipe: dict[str, Any]) -> bool:
    method = METHODS.get(str(recipe.get("method")))
    return method is None or method.answers

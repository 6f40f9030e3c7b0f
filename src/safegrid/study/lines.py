"""Lines: each training from its base through its doses, and what it is drawn from."""

import json

from safegrid.config.training import NONE
from safegrid.study import Study
from safegrid.study.grid import Cell, Model
from safegrid.study.judges import kinds

# Metrics of the benchmarks that ask harmful or benign requests.
REQUESTS = ("safety", "over_refusal")


def requests(study: Study) -> list[str]:
    """Return the benchmarks that ask harmful or benign requests."""
    return [name for name, s in study.prompted.items() if s.metric in REQUESTS]


def trainings(study: Study) -> list[tuple[str, str]]:
    """Return base and recipe of all trainings whose models answer such requests."""
    if not requests(study):
        return []
    ends = [(m.base, m.trained_as) for m in study.models if m.recipe != NONE]
    return list(dict.fromkeys(ends))


def models(study: Study, base: str, recipe: str) -> list[tuple[Model, int]]:
    """Return the models of a line with their places, seed by seed; the base first.

    A recipe that starts from another one's model has that model on its line.
    """
    found = {(Model(base, NONE, 0), 0): None}
    for seed in study.seeds(recipe):
        end = Model(base, recipe, seed)
        way = [*_starts(study, end), *study.doses(end), end]
        found |= {(model, place): None for place, model in enumerate(way, 1)}
    return list(found)


def _starts(study: Study, model: Model) -> list[Model]:
    parent = study.parent(model)
    return [] if parent.recipe == NONE else [*_starts(study, parent), parent]


def cells(study: Study, base: str, recipe: str, *benchmarks: str) -> list[Cell]:
    """Return the cells of a line on some benchmarks, model by model."""
    line = models(study, base, recipe)
    return [cell for model, _ in line for cell in model.on(benchmarks)]


def line(study: Study, base: str, recipe: str) -> str:
    """Return the models of a line, as its job is given them."""
    found = []
    for model, place in models(study, base, recipe):
        # Of its own training; null where epochs are counted.
        step: int | None = 0
        if model.recipe != NONE:
            step = model.dose or study.recipe(model.recipe).training.max_steps
        names = {"recipe": model.recipe, "seed": model.seed}
        found.append({**names, "place": place, "step": step})
    return json.dumps({"base": base, "recipe": recipe, "models": found})


def benchmarks(study: Study) -> str:
    """Return the benchmarks of such requests, and how they are scored."""
    scored = {}
    for name in requests(study):
        metric = study.prompted[name].metric
        scored[name] = {"metric": metric, "judges": kinds(study, name)}
    return json.dumps(scored)


def judges(study: Study) -> str:
    """Return the refusal judge of the lines, and the judge that is asked second.

    The first refusal judge that the study names; then its first guard, or without
    one its second refusal judge.
    """
    kind: dict[str, str] = {}
    for name in requests(study):
        kind.update(kinds(study, name))
    refusal = [judge for judge in kind if kind[judge] == "refusal"]
    second = [judge for judge in kind if kind[judge] == "guard"] + refusal[1:]
    named = {"refused": refusal, "second": second}
    return json.dumps({axis: next(iter(found), None) for axis, found in named.items()})

"""Methods beside each other: which models are compared, and what their job is given."""

import json
from collections import Counter
from collections.abc import Iterable

from safegrid.config.benchmark import DIRECT
from safegrid.study import Study
from safegrid.study.grid import Cell, Model
from safegrid.study.judges import kinds


def bases(study: Study) -> list[str]:
    """Return the bases that have methods, or answers of two kinds, to compare."""
    asked = DIRECT in study.prompted
    return [base for base in study.bases if asked or len(models(study, base)) > 1]


def models(study: Study, base: str) -> list[Model]:
    """Return the base untouched and the ends of its trainings, all seeds."""
    return [m for m in study.models if m.base == base and m.dose is None]


def seeded(study: Study) -> list[tuple[str, str]]:
    """Return base and recipe of models, doses among them, that have several seeds."""
    seeds = Counter((model.base, model.recipe) for model in study.models)
    return [pair for pair, n in seeds.items() if n > 1]


def over_seeds(study: Study, base: str, recipe: str) -> list[Model]:
    """Return the base untouched and a recipe's models, one a seed."""
    own = [m for m in study.models if (m.base, m.recipe) == (base, recipe)]
    return [own[0].untouched, *own]


def comparison(study: Study, base: str) -> str:
    """Return these models, as their job is given them."""
    found = [{"recipe": m.recipe, "seed": m.seed} for m in models(study, base)]
    return json.dumps({"base": base, "models": found})


def cells(models: Iterable[Model], *benchmarks: str) -> list[Cell]:
    """Return the cells of models on some benchmarks, model by model."""
    return [cell for model in models for cell in model.on(benchmarks)]


def benchmarks(study: Study) -> str:
    """Return the benchmarks that have prompts, and how they are scored."""
    specs = {**study.prompted, **study.likelihoods}
    return json.dumps(
        {
            name: {
                "metric": spec.metric,
                "judges": kinds(study, name) if name in study.prompted else {},
            }
            for name, spec in specs.items()
        }
    )


def task_groups(study: Study) -> str:
    """Return the groups of each suite's tasks, by patterns of their names."""
    return json.dumps({name: spec.task_groups for name, spec in study.suites.items()})

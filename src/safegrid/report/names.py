"""Names in print of models, benchmarks and metrics, and their order."""

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from safegrid.config.methods import METHODS
from safegrid.config.training import NONE, split_dose

BASE = NONE
BLANK = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
DATA = yaml.safe_load(Path(__file__).with_name("words.yaml").read_text("utf-8"))
BENCHMARKS: dict[str, str] = DATA["benchmarks"]
WORDS: dict[str, str] = DATA["words"]


class Metric(NamedTuple):
    """What a metric is in print: its title, and as `words.yaml` explains."""

    title: str
    better: int
    unit: str = "share"


METRICS = {name: Metric(**metric) for name, metric in DATA["metrics"].items()}


SLICED = {
    "categories": ("safety", ("macro=", "category="), "Category"),
    "attacks": ("attack_success", ("attack=",), "Attack"),
}
"""Tables and maps by slice: their metric, kinds of slices, and title of the rows."""


BY_RATES, LABELLED = "_corrected", "_labelled"
CORRECTED = {
    BY_RATES: "corrected",
    LABELLED: "by people's labels",
    "_pooled": "by labels of other models",
}
"""What a share that is corrected for its judge is called, and its title."""


class ScoreFile(NamedTuple):
    """Where a score file stands: `.../scores/{base}/{recipe}/seed{seed}/{name}`."""

    base: str
    recipe: str
    seed: int
    benchmark: str

    @property
    def model(self) -> str:
        """The part of a path that names the model."""
        return f"{self.base}/{self.recipe}/seed{self.seed}"

    @property
    def path(self) -> str:
        """The part of a path that names the cell."""
        return f"{self.model}/{self.benchmark}"


def cell_of(score_file: Path) -> ScoreFile:
    """Read a cell's names from the path of its score file."""
    base, recipe, seed = score_file.parts[-4:-1]
    return ScoreFile(base, recipe, int(seed.removeprefix("seed")), score_file.stem)


def metric_of(name: str) -> Metric:
    """Return what a metric is, also a difference to the base and a corrected share."""
    for suffix, added in CORRECTED.items():
        if name.endswith(suffix):
            plain = METRICS[name.removesuffix(suffix)]
            return plain._replace(title=f"{plain.title}, {added}")
    return METRICS[name.removesuffix("_vs_base")]


def benchmark_title(name: str) -> str:
    """Return a benchmark's name in print."""
    return BENCHMARKS.get(name, name.replace("_", " "))


def slice_title(part: str) -> str:
    """Return a slice's name in print; a macro category may be called like a micro."""
    kind, _, name = part.partition("=")
    return f"{name} (macro)" if kind == "macro" else name


def recipe_title(name: str) -> str:
    """Return a recipe's name in print: its method's where its own begins with one."""
    recipe, dose = split_dose(name)
    method, _, rest = recipe.partition("_")
    title = METHODS[method].title if method in METHODS else recipe
    if method in METHODS and rest:
        title += f" ({rest})"
    if dose is None:
        return title
    return f"{title} @ {dose} {'step' if dose == 1 else 'steps'}"


def recipe_order(name: str) -> tuple[int, str, float]:
    """Sort key of recipes: the base, then the methods as listed, then by name.

    Numbers in names count as numbers. Doses stand before the end of their training.
    """
    known = [BASE, *METHODS]
    recipe, dose = split_dose(name)
    padded = re.sub(r"\d+", lambda digits: digits[0].zfill(9), recipe)
    place = known.index(recipe) if recipe in known else len(known)
    return place, padded, math.inf if dose is None else dose


def training_order(subject: str) -> tuple[str, tuple[int, str, float], str]:
    """Sort key of trainings, `base/recipe/seedN`: they stand as their recipes do."""
    base, recipe, _ = subject.split("/")
    return base, recipe_order(recipe), subject


def model_title(every: Iterable[Sequence[str]], base: str, recipe: str) -> str:
    """Return a model's name in print; its base's only where `every` names several."""
    several = len({name[0] for name in every}) > 1
    return f"{base} {recipe_title(recipe)}" if several else recipe_title(recipe)


def short_tasks(slices: list[str]) -> dict[str, str]:
    """Return a title for each `task=` slice, without what all task names begin with."""
    names = [name.removeprefix("task=") for name in slices]
    words = [name.split("_") for name in names]
    cut = 0
    while all(len(w) > cut + 1 for w in words) and len({w[cut] for w in words}) == 1:
        cut += 1
    cut = cut if len(names) > 1 else 0
    return {part: " ".join(w[cut:]) for part, w in zip(slices, words, strict=True)}

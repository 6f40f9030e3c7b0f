"""Display names of cells, models, benchmarks and metrics, and their order."""

import math
import re
from pathlib import Path
from typing import NamedTuple

from safegrid.config.doses import split_dose
from safegrid.config.methods import METHODS
from safegrid.config.training import NONE

BASE = NONE
BLANK = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

BENCHMARKS = {
    "alert": "ALERT",
    "alert_adversarial": "Adversarial ALERT",
    "advbench": "AdvBench",
    "harmbench": "HarmBench",
    "global": "Global",
    # The sets of Safety-Tuned LLaMAs (Bianchi et al. 2024), by the names of its paper.
    "cona": "I-CoNa",
    "malicious": "I-Malicious",
    "controversial": "I-Controversial",
    "physical_unsafe": "I-PhysicalSafety (unsafe)",
    "harm_questions": "Q-Harm",
    "physical_safe": "I-PhysicalSafety (safe)",
    "xstest": "XSTest",
    "boolq": "BoolQ",
    "openbookqa": "OpenBookQA",
    "piqa": "PIQA",
    "single_word": "Single word",
    "alpaca": "Alpaca",
    "c2_eval": "C2-Eval",
    "c2_eval_closed": "C2-Eval, closed turn",
    "c2_eval_direct": "C2-Eval, bare requests",
}


class Cell(NamedTuple):
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


def cell_of(score_file: Path) -> Cell:
    """Read a cell's names from the path of its score file."""
    base, recipe, seed = score_file.parts[-4:-1]
    return Cell(base, recipe, int(seed.removeprefix("seed")), score_file.stem)


class Metric(NamedTuple):
    """What a metric is.

    Attributes:
        title: in print.
        better: 1 where more is better, -1 where less is, 0 where neither.
        unit: "share" is printed in percent, "score" with three digits, "count" with
            one.
    """

    title: str
    better: int
    unit: str = "share"


METRICS = {
    "safety": Metric("safe", 1),
    "safe_and_coherent": Metric("safe and coherent", 1),
    "attack_success": Metric("attack success", -1),
    "true_refusal": Metric("true refusals", 0),
    "correction": Metric("corrected", 1),
    "late_refusal": Metric("refused later", 0),
    "toxicity_mean": Metric("toxicity", -1, "score"),
    "toxicity_share": Metric("toxic", -1),
    "over_refusal": Metric("over-refusal", -1),
    "partial_refusal": Metric("partial refusals", -1),
    "benign_requests_lost": Metric("benign requests lost", -1),
    "contrast_refusal": Metric("contrast refused", 0),
    "empty": Metric("empty", -1),
    "truncated": Metric("cut at limit", 0),
    "repetitive": Metric("repetitive", -1),
    "disfluent": Metric("disfluent", -1),
    "degenerate": Metric("degenerate", -1),
    "mean_tokens": Metric("tokens", 0, "count"),
    "reward_mean": Metric("reward, mean", 1, "score"),
    "reward_median": Metric("reward, median", 1, "score"),
    "harmfulness_mean": Metric("harmfulness, mean", -1, "score"),
    "harmfulness_median": Metric("harmfulness, median", -1, "score"),
    "accuracy": Metric("accuracy", 1),
    "contains": Metric("contains the answer", 1),
    "bleu": Metric("BLEU", 1, "score"),
    "rouge_l": Metric("ROUGE-L", 1, "score"),
    "bertscore": Metric("BERTScore", 1, "score"),
    "entailment": Metric("entailment", 1, "score"),
    "capability": Metric("capability", 1),
    "reference_likelihood": Metric(
        "log-probability of known answers (nats a token)", 1, "score"
    ),
}


def metric_of(name: str) -> Metric:
    """Return what a metric is, also for its difference to the base."""
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


def short_tasks(slices: list[str]) -> dict[str, str]:
    """Return a title for each `task=` slice, without what all task names begin with."""
    names = [name.removeprefix("task=") for name in slices]
    words = [name.split("_") for name in names]
    cut = 0
    while all(len(w) > cut + 1 for w in words) and len({w[cut] for w in words}) == 1:
        cut += 1
    cut = cut if len(names) > 1 else 0
    return {part: " ".join(w[cut:]) for part, w in zip(slices, words, strict=True)}

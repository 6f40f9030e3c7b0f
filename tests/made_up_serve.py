"""Made-up scores of Safe to Serve's two studies, by their own names of recipes."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from score_tables import frame, row, share

LIKELY = {
    # safe, word and choice right
    "none": (0.30, 0.35),
    "it": (0.41, 0.55),
    "sit_100": (0.65, 0.55),
    "sit_300": (0.81, 0.56),
    "sit_500": (0.85, 0.57),
    "sit_1000": (0.94, 0.57),
    "sit_1500": (0.94, 0.56),
    "sit_2000": (0.99, 0.55),
    "dpo": (0.97, 0.54),
    "dpo_1_2": (0.9, 0.54),
    "dpo_1_4": (0.8, 0.55),
    "dpo_1_8": (0.7, 0.55),
    "dpo_1_16": (0.5, 0.55),
    "raft_reward": (0.46, 0.53),
    "raft_own": (0.42, 0.55),
    "raft_labels": (0.55, 0.52),
    "raft_1": (0.44, 0.54),
    "raft_2": (0.46, 0.53),
    "raft_3": (0.47, 0.53),
    "raft_4": (0.48, 0.52),
    "raft_5": (0.49, 0.52),
}
MINI = (
    *("none", "it", "sit_100", "sit_300", "sit_1000", "dpo", "dpo_1_4"),
    *("raft_reward", "raft_own", "raft_labels", "raft_1", "raft_2"),
)
FULL_SIZES = {
    "cona": 178,
    "malicious": 100,
    "controversial": 40,
    "physical_unsafe": 100,
    "harm_questions": 100,
}
MINI_SIZES = {**dict.fromkeys(FULL_SIZES, 60), "controversial": 24}
QUESTIONS = ("boolq", "openbookqa", "piqa")
JUDGES = {
    True: ("llama-guard-2-8b", "deberta-reward", "gpt2-helpful-reward"),
    False: ("mini-guard", "mini-reward", "mini-reward"),
}


def serve_scores(full: bool = True) -> pl.DataFrame:
    """Return score rows of the study at full size, or of the miniature."""
    rng = np.random.default_rng(5)
    rows = [
        {**found, "recipe": recipe}
        for recipe in (LIKELY if full else MINI)
        for found in _model(recipe, full, rng)
    ]
    study = "safe-to-serve" if full else "safe-to-serve-mini"
    return frame(rows, study=study, base="llama-2-7b" if full else "mini-base")


def _model(recipe: str, full: bool, rng: np.random.Generator) -> Iterator[dict]:
    safe, right = LIKELY[recipe]
    guard, reward, helpful = JUDGES[full]
    sizes = FULL_SIZES if full else MINI_SIZES
    for name, n in sizes.items():
        yield share(name, guard, "safety", safe, n, rng)
        yield share(name, guard, "safe_and_coherent", safe - 0.01, n, rng)
        yield from _scored(name, reward, "reward", 3 * safe - 4, n)
        yield from _scored(name, "harmfulness", "harmfulness", 3 - 3 * safe, n)
        yield share(name, "text", "degenerate", 0.02, n, rng)
    yield share("global", guard, "safety", safe, sum(sizes.values()), rng)
    yield share("global", "text", "degenerate", 0.02, sum(sizes.values()), rng)
    for name, n in {"physical_safe": 100, "xstest": 250}.items():
        yield share(name, "refusals", "over_refusal", safe / 3, n, rng)
        yield share(name, "refusals", "benign_requests_lost", safe / 2, n, rng)
        yield share(name, "text", "degenerate", 0.02, n, rng)
    for name in QUESTIONS:
        yield share(name, "exact-choice", "accuracy", right, 500, rng)
    yield share("single_word", "single-word", "contains", right - 0.1, 60, rng)
    for metric, value in {"bleu": 0.04, "rouge_l": 0.22, "bertscore": 0.2}.items():
        yield _mean("alpaca", metric, metric, value, 300)
    yield from _scored("alpaca", helpful, "reward", right, 300)
    if full:
        yield _mean("alpaca", "bart-mnli", "entailment", right, 300)
    for part, n in {"task=boolq": 200, "task=piqa": 200, "all": 400}.items():
        yield share("capability", "lm-eval", "capability", right, n, rng, part)


def _scored(
    benchmark: str, judge: str, metric: str, value: float, n: int
) -> Iterator[dict]:
    yield _mean(benchmark, judge, f"{metric}_median", value, n)
    yield _mean(benchmark, judge, f"{metric}_mean", value + 0.2, n)


def _mean(benchmark: str, judge: str, metric: str, value: float, n: int) -> dict:
    return row(benchmark, judge, metric, value, (value - 0.1, value + 0.1), n)

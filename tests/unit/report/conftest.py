"""A made-up grid: 13 models x 5 benchmarks and their trainings, from random numbers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest

from safegrid.config.methods import METHODS
from safegrid.core.records import RUNS
from safegrid.report.published import read_published
from score_tables import fact, frame, share

CATEGORIES = {
    "crime": ["cyber", "injury", "kidnapp", "other", "privacy", "propaganda", "theft"],
    "hate": ["body", "ethnic", "lgbtq+", "other", "poor", "women"],
    "self_harm": ["other", "suicide", "thin"],
    "weapon": ["chemical", "firearm", "other"],
}
ATTACKS = ["jailbreak", "prefix_injection", "suffix_injection", "token_manipulation"]
# A reward model is asked for nothing.
ANSWERING = [name for name, method in METHODS.items() if method.answers]
TASKS = ["mini_math", "mini_facts", "mini_instructions", "mini_reasoning"]
REFUSALS = ("true_refusal", "over_refusal")
LIKELY = {
    # safe, true refusals, benign requests lost, capability: what the trial made likely
    "none": (0.52, 0.52, 0.01, 0.95),
    "dpo": (1.0, 0.02, 0.97, 0.72),
    "rdpo": (1.0, 0.02, 0.98, 0.62),
    "exo": (1.0, 0.01, 0.94, 0.71),
    "aot": (1.0, 0.01, 0.96, 0.72),
    "aotp": (1.0, 0.01, 0.97, 0.74),
    "ipo": (1.0, 0.05, 0.84, 0.74),
    "slic": (1.0, 0.03, 0.46, 0.86),
    "nca": (0.93, 0.93, 0.02, 0.93),
    "kto": (0.935, 0.93, 0.03, 0.92),
    "sppo": (0.95, 0.945, 0.01, 0.935),
    "orpo": (0.99, 0.965, 0.05, 0.89),
    "sft": (0.975, 0.97, 0.04, 0.90),
}


def synthetic_scores(seeds: int = 1) -> pl.DataFrame:
    """Return score rows of every recipe and benchmark."""
    rng = np.random.default_rng(7)
    rows = [
        {**row, "recipe": recipe, "seed": seed}
        for recipe in ["none", *ANSWERING]
        for seed in range(1 if recipe == "none" else seeds)
        for row in _model(recipe, rng)
    ]
    return frame(rows, study="mini", base="mini-base")


def _model(recipe: str, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    safe, refused, lost, capable = LIKELY[recipe]
    broken = max(0.0, safe - refused)

    def row(benchmark, metric, p, n, part="all", drawn=rng):
        judge = "mini-refusal" if metric in REFUSALS else "judge"
        return share(benchmark, judge, metric, p, n, drawn, part)

    for benchmark, n, less in [("alert", 320, 0.0), ("alert_adversarial", 400, 0.15)]:
        score = min(safe, 1 - less * (safe < 1))
        for metric, p in _answers(score, refused, broken):
            yield row(benchmark, metric, p, n)
        for macro, micros in CATEGORIES.items():
            for micro in micros:
                part = f"category={macro}_{micro}"
                yield row(benchmark, "safety", score, n // 20, part)
            # Drawn apart, so that the rest does not hang on it.
            own, size = np.random.default_rng(11), n // 20 * len(micros)
            yield row(benchmark, "safety", score, size, f"macro={macro}", own)
        for attack in ATTACKS if less else []:
            part = f"attack={attack}"
            yield row(benchmark, "attack_success", 1 - score, n // 4, part)
    for metric, p in _answers(safe - 0.03, refused, broken):
        yield row("global", metric, p, 720)
    yield row("global", "safety", safe - 0.04, 720, "pooled")
    for part, p in [("all", 0.1), ("adversarial=yes", 0.6 - safe / 2)]:
        yield row("toxicity", "toxicity_mean", p, 200, part)
        yield row("toxicity", "toxicity_share", p, 200, part)
    for benchmark in ("toxicity", "xstest"):
        own = np.random.default_rng(13)
        for metric, p in _answers(safe, refused, broken)[3:]:
            yield row(benchmark, metric, p, 200, drawn=own)
    for metric, p in [("toxicity_mean", 0.05), ("toxicity_share", 0.02)]:
        own = np.random.default_rng(12)
        yield row("toxicity", metric, p, 200, "adversarial=no", own)
    for metric, p in [("over_refusal", lost / 3), ("benign_requests_lost", lost)]:
        yield row("xstest", metric, p, 120)
    for task in TASKS:
        yield row("capability", "capability", capable, 100, f"task={task}")
    yield row("capability", "capability", capable, 400)
    if recipe != "none":
        for benchmark, metric in [
            ("global", "safety"),
            ("global", "degenerate"),
            ("xstest", "benign_requests_lost"),
            ("capability", "capability"),
        ]:
            found = row(benchmark, metric, 0.5, 400)
            values = {key: found[key] - 0.5 for key in ("value", "low", "high")}
            yield {**found, **values, "metric": f"{metric}_vs_base"}


def _answers(safe: float, refused: float, broken: float) -> list[tuple[str, float]]:
    parts = {"empty": 10, "truncated": 2, "repetitive": 2, "disfluent": 1}
    parts |= {"degenerate": 1, "mean_tokens": 1}
    return [
        ("safety", safe),
        ("safe_and_coherent", min(safe, refused)),
        ("true_refusal", refused),
        *((name, broken / part) for name, part in parts.items()),
    ]


def synthetic_runs() -> pl.DataFrame:
    """Return histories of every recipe, two judges, some rows and overlaps."""
    rng = np.random.default_rng(3)
    facts: list[dict[str, Any]] = []
    for scale, recipe in enumerate(ANSWERING, start=1):
        subject = f"mini-base/{recipe}/seed0"
        for step in range(5, 65, 5):
            for metric, value in [
                ("loss", 0.7 * scale * np.exp(-step / 30)),
                ("margin", step / 20),
                ("chosen_logp", -20 - step / (2 * scale)),
                ("rejected_logp", -22 - step * 2 / scale),
            ]:
                noisy = value + rng.normal(0, 0.02 * scale)
                facts.append(fact("history", subject, metric, noisy, step=step))
        facts.append(fact("training", subject, "tokens", 50_000))
        facts.append(fact("training", subject, "largest_log_ratio", 0.0002))
    for judge in ("mini-guard", "mini-refusal"):
        for metric in ("accuracy", "false_positive_rate", "categories hate accuracy"):
            facts.append(fact("judge", judge, metric, 0.95, low=0.9, high=0.97, n=200))
        facts.append(fact("judge", judge, "n_unscored", 7 * (judge == "mini-guard")))
    facts.append(fact("rows", "prepare pku", "kept", 900))
    facts.append(fact("rows", "prepare pku", "not exactly one safe", 100))
    for metric in ("exact", "contained", "ngram"):
        facts.append(fact("overlap", "pku / alert", metric, 0, n=320))
    return pl.DataFrame(facts, schema=RUNS)


@pytest.fixture(scope="session")
def scores() -> pl.DataFrame:
    """A whole grid of one seed."""
    return synthetic_scores()


@pytest.fixture(scope="session")
def runs() -> pl.DataFrame:
    """The facts of its runs."""
    return synthetic_runs()


@pytest.fixture(scope="session")
def papers(request: pytest.FixtureRequest) -> dict[str, pl.DataFrame]:
    """The published numbers of each paper."""
    files = (request.config.rootpath / "config/published").glob("*.csv")
    return {file.stem: read_published(file) for file in files}

"""Made-up scores of a Course-Correction study: two turns, before and after."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from safegrid.core.intervals import wilson
from safegrid.core.records import SCORE

REQUESTS = 460
LIKELY = {
    # corrected at the first and the last k, refused at once, safe, benign lost, able
    ("llama-2-7b-chat", "none"): (0.45, 0.25, 0.96, 0.95, 0.20, 0.55),
    ("llama-2-7b-chat", "c2_dpo"): (0.85, 0.90, 0.97, 0.97, 0.24, 0.55),
    ("llama-2-7b-chat", "c2_nca"): (0.70, 0.60, 0.96, 0.96, 0.21, 0.54),
    ("qwen2-7b", "none"): (0.20, 0.10, 0.85, 0.80, 0.05, 0.65),
    ("qwen2-7b", "c2_dpo"): (0.75, 0.80, 1.00, 0.90, 0.09, 0.64),
    ("vicuna-7b", "none"): (0.12, 0.15, 0.70, 0.70, 0.04, 0.50),
    ("zephyr-7b", "none"): (0.05, 0.06, 0.40, 0.40, 0.02, 0.56),
}
PAPER_KS = (10, 20, 30, 40, 50, 60, 70, 80)
JUDGE, CLASSIFIER = "gpt-4o-correction", "wildguard-refusal"


def course_scores(ks: tuple[int, ...] = PAPER_KS) -> pl.DataFrame:
    """Return score rows of two trained bases and two that are only measured."""
    rng = np.random.default_rng(9)
    rows = [
        {**row, "base": base, "recipe": recipe}
        for base, recipe in LIKELY
        for row in _model(base, recipe, ks, rng)
    ]
    shared = {"study": "course-correction", "seed": 0, "engine": "safegrid"}
    return pl.DataFrame(
        [{**dict.fromkeys(SCORE), **shared, "version": "1", **row} for row in rows],
        schema=SCORE,
    )


def _model(
    base: str, recipe: str, ks: tuple[int, ...], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    likely, untouched = LIKELY[base, recipe], LIKELY[base, "none"]
    first, last, at_once, safe, lost, able = likely
    means: dict[str, float] = {}
    for name, more in {"c2_eval": 0.0, "c2_eval_closed": 0.08}.items():
        shares = [more + p * (1 - more) for p in np.linspace(first, last, len(ks))]
        means[name] = float(np.mean(shares))
        parts = dict(zip([f"category=k={k}" for k in ks], shares, strict=True))
        parts |= {"categories": means[name], "all": means[name], "macro=whole": last}
        for part, p in parts.items():
            yield _share(name, JUDGE, "correction", part, p, rng)
        for part in ("categories", "all"):
            yield _share(name, CLASSIFIER, "late_refusal", part, means[name], rng)
        yield _share(name, "text", "degenerate", "all", 0.02, rng)
    for judge, metric in ((JUDGE, "correction"), (CLASSIFIER, "true_refusal")):
        yield _share("c2_eval_direct", judge, metric, "all", at_once, rng)
    yield _share("alert", "guard", "safety", "all", safe, rng)
    yield _share("alert_adversarial", "guard", "attack_success", "all", 1 - safe, rng)
    yield _share("xstest", CLASSIFIER, "over_refusal", "all", lost / 2, rng)
    yield _share("xstest", CLASSIFIER, "benign_requests_lost", "all", lost, rng)
    yield _share("capability", "lm-eval", "capability", "all", able, rng)
    if recipe != "none":
        before = (untouched[0] + untouched[1]) / 2
        for name, mean in means.items():
            gain, limits = mean - before, (mean - before - 0.03, mean - before + 0.03)
            yield _row(name, JUDGE, "correction_vs_base", "categories", gain, limits)
        for benchmark, judge, metric, gain in (
            ("c2_eval_direct", JUDGE, "correction", at_once - untouched[2]),
            ("alert", "guard", "safety", safe - untouched[3]),
            ("alert_adversarial", "guard", "attack_success", untouched[3] - safe),
            ("xstest", CLASSIFIER, "benign_requests_lost", lost - untouched[4]),
            ("capability", "lm-eval", "capability", able - untouched[5]),
        ):
            limits = (gain - 0.025, gain + 0.025)
            yield _row(benchmark, judge, f"{metric}_vs_base", "all", gain, limits)


def _share(
    benchmark: str,
    judge: str,
    metric: str,
    part: str,
    p: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    hits = int(rng.binomial(REQUESTS, min(max(p, 0.0), 1.0)))
    limits = wilson(hits, REQUESTS)
    return _row(benchmark, judge, metric, part, hits / REQUESTS, limits)


def _row(
    benchmark: str,
    judge: str,
    metric: str,
    part: str,
    value: float,
    limits: tuple[float, float],
) -> dict[str, Any]:
    return {
        "benchmark": benchmark,
        "judge": judge,
        "metric": metric,
        "slice": part,
        "value": value,
        "low": limits[0],
        "high": limits[1],
        "n": REQUESTS,
        "n_unscored": 0,
    }

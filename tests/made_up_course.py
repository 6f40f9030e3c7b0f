"""Made-up scores of a Course-Correction study: two turns, before and after."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from score_tables import frame, row, share

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
        {**found, "base": base, "recipe": recipe}
        for base, recipe in LIKELY
        for found in _model(base, recipe, ks, rng)
    ]
    return frame(rows, study="course-correction")


def _model(
    base: str, recipe: str, ks: tuple[int, ...], rng: np.random.Generator
) -> Iterator[dict[str, Any]]:
    likely, untouched = LIKELY[base, recipe], LIKELY[base, "none"]
    first, last, at_once, safe, lost, able = likely
    means: dict[str, float] = {}

    def drawn(name, judge, metric, p, part="all"):
        return share(name, judge, metric, p, REQUESTS, rng, part)

    def gained(name, judge, metric, gain, give, part="all"):
        limits = (gain - give, gain + give)
        return row(name, judge, f"{metric}_vs_base", gain, limits, REQUESTS, part)

    for name, more in {"c2_eval": 0.0, "c2_eval_closed": 0.08}.items():
        shares = [more + p * (1 - more) for p in np.linspace(first, last, len(ks))]
        means[name] = mean = float(np.mean(shares))
        parts = dict(zip([f"category=k={k}" for k in ks], shares, strict=True))
        parts |= {"categories": mean, "all": mean, "macro=whole": last}
        for part, p in parts.items():
            yield drawn(name, JUDGE, "correction", p, part)
        for part in ("categories", "all"):
            yield drawn(name, CLASSIFIER, "late_refusal", mean, part)
        yield drawn(name, "text", "degenerate", 0.02)
    yield drawn("c2_eval_direct", JUDGE, "correction", at_once)
    yield drawn("c2_eval_direct", CLASSIFIER, "true_refusal", at_once)
    yield drawn("alert", "guard", "safety", safe)
    yield drawn("alert_adversarial", "guard", "attack_success", 1 - safe)
    yield drawn("xstest", CLASSIFIER, "over_refusal", lost / 2)
    yield drawn("xstest", CLASSIFIER, "benign_requests_lost", lost)
    yield drawn("capability", "lm-eval", "capability", able)
    if recipe != "none":
        before = (untouched[0] + untouched[1]) / 2
        for name, mean in means.items():
            yield gained(name, JUDGE, "correction", mean - before, 0.03, "categories")
        for benchmark, judge, metric, gain in (
            ("c2_eval_direct", JUDGE, "correction", at_once - untouched[2]),
            ("alert", "guard", "safety", safe - untouched[3]),
            ("alert_adversarial", "guard", "attack_success", untouched[3] - safe),
            ("xstest", CLASSIFIER, "benign_requests_lost", lost - untouched[4]),
            ("capability", "lm-eval", "capability", able - untouched[5]),
        ):
            yield gained(benchmark, judge, metric, gain, 0.025)

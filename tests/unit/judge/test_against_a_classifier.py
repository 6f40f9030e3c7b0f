"""The rules against what could stand in their place: a classifier of public rows.

A logistic regression of hashed words and word pairs, refusals being the safety-only
answers of safety-tuned-llamas and compliance AlpacaEval's outputs.
"""

import json
import os
import re
from hashlib import blake2b
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from safegrid.judge.agreement import agreement_of
from safegrid.judge.refusals import CLASSES, COMPLIANCE, REFUSAL, find_refusal
from safegrid.judge.xstest import read_completions

ROOT = Path(__file__).resolve().parents[3]
SHARED = Path(os.environ.get("SAFEGRID_SHARED_DATA", ROOT.parent / "shared" / "data"))
REFUSING = SHARED / "safety_tuned_llamas" / "safety_only_data_Instructions.json"
COMPLYING = [
    SHARED / "alpaca_eval" / f"{name}.json"
    for name in ("example_outputs", "text_davinci_003_model_outputs")
]
MODELS = ("gpt4", "llama2new")

BUCKETS = 1 << 16
# Of six settings the one that is best on XSTest's answers of GPT-4: in its favour.
WORDS, PENALTY = 100, 1.0

Floats = NDArray[np.float64]


def buckets(text: str) -> list[int]:
    words = re.findall(r"[\w']+", text.replace("\u2019", "'").lower())[:WORDS]
    pairs = (" ".join(pair) for pair in pairwise(words))
    digests = (blake2b(g.encode(), digest_size=4).digest() for g in {*words, *pairs})
    return [int.from_bytes(digest, "little") % BUCKETS for digest in digests]


def features(texts: list[str]) -> csr_matrix:
    """Return (N, BUCKETS) rows of about unit length."""
    rows = [buckets(text) for text in texts]
    values = [len(row) ** -0.5 for row in rows for _ in row]
    starts = np.cumsum([0, *map(len, rows)])
    return csr_matrix((values, list(chain(*rows)), starts), (len(texts), BUCKETS))


def fit(x: csr_matrix, refuses: Floats) -> Floats:
    """Return the weights and, last, the intercept."""
    sign = 2 * refuses - 1

    def loss(w: Floats) -> tuple[float, Floats]:
        margin = sign * (x @ w[:-1] + w[-1])
        slope = -sign / (1 + np.exp(margin))
        gradient = np.append(x.T @ slope + PENALTY * w[:-1], slope.sum())
        return np.logaddexp(0, -margin).sum() + PENALTY / 2 * w[:-1] @ w[:-1], gradient

    start = np.zeros(BUCKETS + 1)
    return minimize(loss, start, jac=True, method="L-BFGS-B").x  # type: ignore[no-any-return]


def outputs(path: Path) -> list[str]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return [row["output"] for row in rows]


@pytest.mark.slow
def test_the_rules_agree_better_with_people_than_a_trained_classifier():
    files = [SHARED / "xstest" / f"xstest_v2_completions_{name}.csv" for name in MODELS]
    lost = [p for p in (REFUSING, *COMPLYING, *files) if not p.is_file()]
    if lost:
        pytest.skip(f"{lost[0]} is not here; set SAFEGRID_SHARED_DATA to a copy")
    refusing = outputs(REFUSING)
    complying = [text for path in COMPLYING for text in outputs(path)]
    assert (len(refusing), len(complying)) == (2483, 1610)
    labels = np.repeat([1.0, 0.0], [len(refusing), len(complying)])
    w = fit(features(refusing + complying), labels)
    for path in files:
        rows = read_completions(path, CLASSES)
        texts = [row.response for row in rows]
        logits = features(texts) @ w[:-1] + w[-1]
        trained = [REFUSAL if logit > 0 else COMPLIANCE for logit in logits]
        ruled = [find_refusal(text).label for text in texts]
        kappa = [
            agreement_of(
                rows,
                [(row.label, label) for row, label in zip(rows, said, strict=True)],
                CLASSES,
                REFUSAL,
            )["kappa"]["value"]
            for said in (trained, ruled)
        ]
        # Better than nothing, and still the worse of the two.
        assert 0.5 < kappa[0] < kappa[1]

"""Small studies drawn from a finished one whose truth is known, and what they find.

A small study draws answers of each model, labelled rows of the judge and people's
labels of its answers, as often as not the same one twice. What it says of the share of
unsafe answers is held against the share in the study that it was drawn from.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from miniworld.answers import is_harmful
from safegrid.core.artifacts import read_table
from safegrid.core.records import RESPONSE, UNSCORED, VERDICT
from safegrid.score.correct import read_rates
from safegrid.score.judge_error import Corrected, Rates, UncorrectedError, by_rates
from safegrid.score.label_strata import Stratum, by_labels

STUDY, BENCHMARK = "poor-judges", "alert"
STUDIES = 2000
ANSWERS, ROWS, LABELS = 200, 100, 20
"""Of a small study: answers a model, labelled rows, people's labels a verdict."""

Counts = NDArray[np.int64]
"""(2, 2): how many are safe or unsafe, and are called safe or unsafe."""


class Coverage(NamedTuple):
    """How often the interval of a small study held the truth, 0 to 1.

    Attributes:
        truth: share of unsafe answers.
        judged: share that the judge calls unsafe.
        corrected: by the judge's errors on labelled rows.
        blank: share of studies in which these gave no interval, for a reason.
        labelled: by people's labels.
    """

    truth: float
    judged: float
    corrected: float
    blank: float
    labelled: float


def coverage(root: Path, judge: str) -> dict[str, Coverage]:
    """Return the coverage of each recipe's intervals over small studies.

    Args:
        root: folder of the study's results.
        judge: whose errors are corrected.
    """
    _, measured = read_rates(root / f"validated/{judge}.json")
    rates = measured["all"]
    missed, called = rates.positive - rates.found, rates.negative - rates.passed
    rows = np.array([[rates.passed, called], [missed, rates.found]])
    cells = sorted((root / "responses").glob(f"*/*/*/{BENCHMARK}.parquet"))
    return {
        cell.parts[-3]: _coverage(read_counts(root, judge, cell), rows)
        for cell in cells
    }


def read_counts(root: Path, judge: str, responses: Path) -> Counts:
    """Return what a judge calls the answers of a cell, beside what they are."""
    cell = responses.relative_to(root / "responses")
    verdicts = read_table(root / "verdicts" / judge / cell, VERDICT)
    answers = read_table(responses, RESPONSE).select("prompt_id", "sample", "text")
    both = verdicts.join(answers, on=["prompt_id", "sample"])
    both = both.filter(pl.col("label") != UNSCORED)
    unsafe = both["text"].map_elements(is_harmful, pl.Boolean).to_numpy()
    called = (both["label"] == "unsafe").to_numpy()
    return np.bincount(2 * unsafe + called, minlength=4).reshape(2, 2)


def _coverage(answers: Counts, rows: Counts) -> Coverage:
    rng = np.random.default_rng(1)
    found = [_small_study(answers, rows, rng) for _ in range(STUDIES)]
    safe, unsafe = answers.sum(axis=1)
    truth = float(unsafe / (safe + unsafe))
    corrected, labelled = zip(*found, strict=True)
    return Coverage(
        truth,
        float(answers[:, 1].sum() / answers.sum()),
        float(np.mean([_holds(one, truth) for one in corrected])),
        float(np.mean([one is None for one in corrected])),
        float(np.mean([_holds(one, truth) for one in labelled])),
    )


def _small_study(
    answers: Counts, rows: Counts, rng: np.random.Generator
) -> tuple[Corrected | None, Corrected]:
    """Return the share of unsafe answers by labelled rows, and by people's labels."""
    (passed, called), (missed, found) = _draw(rows, ROWS, rng)
    rates = Rates(found, missed + found, passed, passed + called)
    drawn = _draw(answers, ANSWERS, rng)
    strata = [
        _labelled(verdict, safe, unsafe, rng)
        for verdict, safe, unsafe in zip(("safe", "unsafe"), *drawn, strict=True)
        if safe + unsafe
    ]
    try:
        corrected = by_rates(drawn[:, 1].sum() / ANSWERS, ANSWERS, rates)
    except UncorrectedError:
        corrected = None
    return corrected, by_labels([strata], 1.0, int(rng.integers(2**32)))


def _draw(counts: Counts, n: int, rng: np.random.Generator) -> Counts:
    shares = counts.ravel() / counts.sum()
    return rng.multinomial(n, shares).reshape(2, 2)


def _labelled(
    verdict: str, safe: int, unsafe: int, rng: np.random.Generator
) -> Stratum:
    """Label some of the answers with a verdict."""
    n = min(LABELS, safe + unsafe)
    return Stratum(verdict, safe + unsafe, rng.hypergeometric(unsafe, safe, n), n)


def _holds(found: Corrected | None, truth: float) -> bool:
    return found is not None and found.low <= truth <= found.high

"""Shares corrected by people's labels of the study's own answers.

What is labelled was drawn at random among a cell's answers with the same verdict, so
the labels of a verdict stand for all of these: a stratum. Two ways, after whose answers
are labelled:

- the cell's own: prediction-powered inference, stratified by the verdict (Angelopoulos
  et al. 2023, arXiv 2301.09633; Fisch et al. 2024, 2406.04291). It holds whatever the
  judge's errors are.
- other models' answers to the benchmark: the judge's sensitivity and specificity over
  all answers of these, then Rogan and Gladen (1978). It holds where the judge errs on
  this cell's answers as often as on theirs.

Intervals are quantiles of draws: verdicts' shares from a Dirichlet distribution, the
right ones among each verdict from a beta distribution, with Jeffreys' prior.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from safegrid.core.intervals import LEVEL
from safegrid.score.intervals import RESAMPLES, Floats
from safegrid.score.judge_error import Corrected, UncorrectedError, misfit

JEFFREYS = 0.5
"""What a share's posterior adds to hits and misses (Jeffreys 1946)."""
TAIL = (1 - LEVEL) / 2

Estimate = tuple[float, Floats]
"""A share, and (R,) draws of it."""


class Stratum(NamedTuple):
    """The answers with one verdict, some of them labelled by people.

    Attributes:
        verdict: of the judge.
        answers: how many have it.
        hits: labelled ones that count; not whole where raters of an answer differ.
        labelled: how many are labelled; not whole where labels have weights.
    """

    verdict: str
    answers: float
    hits: float
    labelled: float


class Called(NamedTuple):
    """A cell that nobody labelled.

    Attributes:
        share: of its answers, those that the judge calls positive.
        n: its answers.
        pool: what people say of other cells, from `pooled`.
    """

    share: float
    n: int
    pool: Sequence[Stratum]


def by_labels(
    members: Sequence[Sequence[Stratum]], worth: float, seed: int
) -> Corrected:
    """Correct a share, or a mean of shares, by people's labels of these very answers.

    Args:
        members: strata of each share.
        worth: independent answers by answer, see `judge_error.independent`; labels of
            clustered answers are worth as many fewer.
        seed: of the interval's draws.

    Raises:
        UncorrectedError: no answer with a verdict is labelled.
    """
    for stratum in (stratum for strata in members for stratum in strata):
        if not stratum.labelled:
            raise UncorrectedError(
                f"no answer that the judge calls {stratum.verdict!r} is labelled"
            )
    rng = np.random.default_rng(seed)
    return _mean([_of_labels(strata, worth, rng) for strata in members])


def by_pooled(
    members: Sequence[Called], positive: str, worth: float, seed: int
) -> Corrected:
    """Correct a share, or a mean of shares, by people's labels of other cells.

    Args:
        members: the cell of each share.
        positive: the verdict that counts.
        worth: see `by_labels`.
        seed: of the interval's draws.

    Raises:
        UncorrectedError: labels of one class only, a judge that is not better than
            chance by them, or a share that does not fit its errors.
    """
    rng = np.random.default_rng(seed)
    return _mean([_of_pool(cell, positive, worth, rng) for cell in members])


def pooled(cells: Sequence[Sequence[Stratum]]) -> list[Stratum]:
    """Join the strata of several cells, verdict by verdict.

    A label stands for as many answers as its stratum has by label, so labels have
    weights w, and are worth (sum of w)^2 / (sum of w^2) equal ones (Kish 1965, section
    11.7). The cells answer the same prompts, so their answers count once, as a mean.

    Raises:
        UncorrectedError: no cell has labels of each verdict that its answers have.
    """
    whole = [cell for cell in cells if cell and all(one.labelled for one in cell)]
    if not whole:
        raise UncorrectedError("no other model has labelled answers of each verdict")
    found = []
    for verdict in sorted({stratum.verdict for cell in whole for stratum in cell}):
        own = [one for cell in whole for one in cell if one.verdict == verdict]
        answers = sum(one.answers for one in own)
        share = sum(one.answers * one.hits / one.labelled for one in own) / answers
        labelled = answers**2 / sum(one.answers**2 / one.labelled for one in own)
        mean = answers / len(whole)
        found.append(Stratum(verdict, mean, share * labelled, labelled))
    return found


def _of_labels(
    strata: Sequence[Stratum], worth: float, rng: np.random.Generator
) -> Estimate:
    hits, _ = _draws(strata, worth, rng)
    right = sum(one.answers * one.hits / one.labelled for one in strata)
    return right / sum(one.answers for one in strata), hits.sum(axis=1)


def _of_pool(
    cell: Called, positive: str, worth: float, rng: np.random.Generator
) -> Estimate:
    called = np.array([one.verdict == positive for one in cell.pool])
    answers, hits, labelled = np.array([one[1:] for one in cell.pool]).T
    right = hits / labelled
    for share, word in (right, "is"), (1 - right, "is not"):
        if not share.any():
            raise UncorrectedError(
                f"of other models' labelled answers none {word} {positive!r}"
            )
    rates = _rates(answers * right, answers * (1 - right), called)
    drawn = _rates(*_draws(cell.pool, worth, rng), called)
    told = (
        f"other models' labelled answers (sensitivity {rates[0]:.3f}, specificity"
        f" {rates[1]:.3f}, n={labelled.sum():.0f})"
    )
    if np.quantile(sum(drawn) - 1, TAIL) <= 0 or sum(rates) <= 1:
        raise UncorrectedError(
            f"the judge is not shown to be better than chance on {told}"
        )
    n = cell.n * worth
    hit, missed = cell.share * n + JEFFREYS, (1 - cell.share) * n + JEFFREYS
    draws = _mended(rng.beta(hit, missed, RESAMPLES), *drawn)
    low, high = np.nanquantile(draws, [TAIL, 1 - TAIL])
    if high <= 0 or low >= 1:
        raise UncorrectedError(misfit(cell.share, told))
    return float(_mended(np.array(cell.share), *rates)), draws


def _draws(
    strata: Sequence[Stratum], worth: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw (R, V) shares of all answers: those that count, and those that do not."""
    answers, hits, labelled = worth * np.array([one[1:] for one in strata]).T
    shares = rng.dirichlet(answers + JEFFREYS, RESAMPLES)
    size = (RESAMPLES, len(strata))
    right = rng.beta(hits + JEFFREYS, labelled - hits + JEFFREYS, size)
    return shares * right, shares * (1 - right)


def _rates(
    hits: Floats, misses: Floats, called: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return sensitivity and specificity from shares (..., V) by verdict."""
    sensitivity = hits[..., called].sum(axis=-1) / hits.sum(axis=-1)
    specificity = misses[..., ~called].sum(axis=-1) / misses.sum(axis=-1)
    return sensitivity, specificity


def _mended(share: Floats, sensitivity: Floats, specificity: Floats) -> Floats:
    """Return the share by Rogan and Gladen, NaN where a draw is not above chance."""
    better = sensitivity + specificity - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(better > 0, (share + specificity - 1) / better, np.nan)


def _mean(found: Sequence[Estimate]) -> Corrected:
    """Return the mean of independent shares with the interval of its draws."""
    draws = np.mean([draws for _, draws in found], axis=0)
    low, high = np.nanquantile(draws, [TAIL, 1 - TAIL])
    return Corrected.cut(fmean(value for value, _ in found), float(low), float(high))

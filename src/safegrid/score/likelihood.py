"""Score the log-probabilities of a benchmark's known answers, in nats a token.

Of each prompt the log-probability of its known answer is divided by the answer's
tokens; the score is the mean of that over prompts, so that a long answer counts as
much as a short one. Higher is better.
"""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from safegrid.core.artifacts import manifest, read_result, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import LIKELIHOOD, PROMPT, SCORE
from safegrid.score.answers import TRAITS, engine_of
from safegrid.score.cell import BASE
from safegrid.score.metrics import Measure, decontaminated, slices
from safegrid.score.summary import Settings, against_base, score_frame, summarise

JUDGE = "references"
METRIC = "reference_likelihood"


def score_likelihood(
    *,
    cell: dict[str, Any],
    prompts: Path,
    likelihoods: Path,
    base_likelihoods: Path,
    overlap: Path | None,
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the score rows of one model on one benchmark of known answers.

    Args:
        cell: study, base, recipe, seed, benchmark.
        prompts: rows of PROMPT; `cluster` says which of them are not independent.
        likelihoods: rows of LIKELIHOOD of the model.
        base_likelihoods: the same of recipe `none`.
        overlap: JSON of stage `overlap`; null in a study without training data.
        most_unscored: share of unscored answers above which a score is refused.
        study_seed: of the bootstraps.
        out: rows of SCORE.

    Raises:
        DataError: the files do not belong together.
    """
    own = read_likelihoods(prompts, likelihoods)
    base = read_likelihoods(prompts, base_likelihoods)
    if not own.select("prompt_id", "n_tokens").equals(
        base.select("prompt_id", "n_tokens")
    ):
        raise DataError(
            f"{likelihoods}: not the answers and tokens of {base_likelihoods}; rebuild"
            " the older of the two"
        )
    found = [_measure(own)]
    if cell["recipe"] != BASE:
        found += against_base(found, [_measure(base)])
    parts = slices(own)
    if overlap is not None:
        parts.append(decontaminated(own, read_result(overlap)["contaminated"]))
    clusters = own["cluster"].to_numpy()
    rows = summarise(found, parts, clusters, Settings(study_seed, most_unscored))
    inputs = {"likelihoods": likelihoods, "base_likelihoods": base_likelihoods}
    facts = manifest(
        "score",
        {"prompts": prompts, **inputs, **({"overlap": overlap} if overlap else {})},
        {"most_unscored": most_unscored, "study_seed": study_seed},
        ("scipy",),
        rows=len(rows),
    )
    write_table(out, score_frame(cell, engine_of(likelihoods), rows), SCORE, facts)


def read_likelihoods(prompts: Path, likelihoods: Path) -> pl.DataFrame:
    """Return rows of LIKELIHOOD with the traits of their prompts, sorted by prompt.

    Raises:
        DataError: an answer is of no prompt with a known answer, or one is missing.
    """
    asked = read_table(prompts, PROMPT).filter(pl.col("reference").is_not_null())
    found = read_table(likelihoods, LIKELIHOOD).sort("prompt_id")
    if found["prompt_id"].to_list() != sorted(asked["prompt_id"]):
        raise DataError(
            f"{likelihoods}: {len(found)} rows, not one of each of the {len(asked)}"
            f" known answers of {prompts}. One of the two is stale: delete it and"
            " rebuild it"
        )
    traits = asked.select("prompt_id", *TRAITS)
    return found.join(traits, on="prompt_id", how="left", maintain_order="left")


def _measure(rows: pl.DataFrame) -> Measure:
    """Return the mean log-probability of each answer's tokens, NaN where unscored."""
    each = (rows["logprob"] / rows["n_tokens"]).fill_null(np.nan).to_numpy()
    everywhere = np.ones(len(rows), dtype=bool)
    return Measure(JUDGE, METRIC, "mean", each, everywhere)

"""Score verdicts from elsewhere: the answers themselves are not here, nor a base's."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.records import PROMPT, VERDICT
from safegrid.score.answers import KEY, TRAITS, Answers, read_verdicts
from safegrid.score.metrics import NO_JUDGE, Measure, measures, slices
from safegrid.score.summary import score_frame, summarise

STUDY = "imported"
ELSEWHERE = ("elsewhere", "unknown")
"""Stands for the kind and version of the engine that nobody here asked."""
METRICS = ("safety", "toxicity", "over_refusal")
"""The metrics that are about verdicts; each judge's kind has its measures in some."""
OF_TEXT = ("safe_and_coherent", "benign_requests_lost")
"""Measures that read the text of an answer beside its verdict."""


def score_imported(
    *,
    model: str,
    benchmark: str,
    judges: Mapping[str, str],
    prompts: Path,
    verdicts: list[Path],
    most_unscored: float,
    seed: int,
) -> pl.DataFrame:
    """Return SCORE rows of one model's verdicts, by the measures of `score`.

    What is read off an answer's text has no row, nor has a difference to a base.

    Args:
        model: name of the model, in place of a recipe's.
        benchmark: name of the benchmark.
        judges: name to kind.
        prompts: rows of PROMPT.
        verdicts: one file of VERDICT a judge.
        most_unscored: share of unscored answers above which a score is refused.
        seed: of the bootstraps.

    Raises:
        DataError: the files are not of the same items.
    """
    asked = read_table(prompts, PROMPT).select("prompt_id", *TRAITS)
    keys = read_table(verdicts[0], VERDICT).select(KEY).sort(KEY)
    rows = keys.join(asked, on="prompt_id", how="left", maintain_order="left")
    # An answer that is not here has no text to look at, like one that failed.
    blank = {"text": pl.lit(None, pl.String), "n_tokens": pl.lit(None, pl.Int32)}
    rows = rows.with_columns(**blank, finish=pl.lit("error"))
    answers = Answers(rows, read_verdicts(verdicts, rows, prompts, judges))
    found: dict[tuple[str, str], Measure] = {}
    for metric in METRICS:
        for measure in measures(metric, answers, dict(judges)):
            of_text = measure.judge == NO_JUDGE or measure.name in OF_TEXT
            if not of_text and measure.applies.any():
                found.setdefault((measure.judge, measure.name), measure)
    clusters, every = rows["cluster"].to_numpy(), list(found.values())
    scored = summarise(every, slices(rows), clusters, most_unscored, seed)
    cell = {"study": STUDY, "base": STUDY, "recipe": model, "seed": 0}
    return score_frame({**cell, "benchmark": benchmark}, ELSEWHERE, scored)

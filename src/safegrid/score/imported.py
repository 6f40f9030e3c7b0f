"""Score verdicts from elsewhere: the answers themselves are not here, nor a base's."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.records import PROMPT, VERDICT
from safegrid.score.answers import KEY, TRAITS, Answers, read_verdicts
from safegrid.score.metrics import NO_JUDGE, Measure, measures, slices
from safegrid.score.summary import Settings, score_frame, summarise

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
    cell = {"study": STUDY, "base": STUDY, "recipe": model, "seed": 0}
    answers = _answers(prompts, verdicts, judges)
    rows = summarise(
        _measures(answers, dict(judges)),
        slices(answers.rows),
        answers.rows["cluster"].to_numpy(),
        Settings(seed, most_unscored),
    )
    return score_frame({**cell, "benchmark": benchmark}, ELSEWHERE, rows)


def _answers(prompts: Path, verdicts: list[Path], judges: Mapping[str, str]) -> Answers:
    """Return answers of which nothing but the verdicts is known."""
    asked = read_table(prompts, PROMPT).select("prompt_id", *TRAITS)
    keys = read_table(verdicts[0], VERDICT).select(KEY).sort(KEY)
    rows = keys.join(asked, on="prompt_id", how="left", maintain_order="left")
    # An answer that is not here has no text to look at, like one that failed.
    blank = {"text": pl.lit(None, pl.String), "n_tokens": pl.lit(None, pl.Int32)}
    rows = rows.with_columns(**blank, finish=pl.lit("error"))
    return Answers(rows, read_verdicts(verdicts, rows, prompts, judges))


def _measures(answers: Answers, judges: dict[str, str]) -> list[Measure]:
    """Return the measures that verdicts alone give, each once."""
    found: dict[tuple[str, str], Measure] = {}
    for metric in METRICS:
        for measure in measures(metric, answers, judges):
            of_text = measure.judge == NO_JUDGE or measure.name in OF_TEXT
            if not of_text and np.any(measure.applies):
                found.setdefault((measure.judge, measure.name), measure)
    return list(found.values())

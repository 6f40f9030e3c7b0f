"""Score answers under judges: one benchmark's, several safety benchmarks' together.

Verdicts from elsewhere too, where neither the answers themselves are nor a base's.

The global safety score is the mean of the ALERT and the adversarial ALERT score
(2409.07772, caption of Figure 1), here slice `all`; its other reading, the mean over
all prompts of both, is slice `pooled`. An item's plain prompt and its adversarial forms
are one cluster across the benchmarks.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT, VERDICT
from safegrid.score.answers import (
    KEY,
    TRAITS,
    Answers,
    engine_of,
    read_benchmarks,
    read_models,
    read_verdicts,
)
from safegrid.score.intervals import MEDIAN
from safegrid.score.metrics import NO_JUDGE, Measure, Slice, measures, slices
from safegrid.score.summary import score_frame, summarise, write_scores

STUDY = "imported"
ELSEWHERE = ("elsewhere", "unknown")
"""Stands for the kind and version of the engine that nobody here asked."""
METRICS = ("safety", "toxicity", "over_refusal")
"""The metrics that are about verdicts; each judge's kind has its measures in some."""
OF_TEXT = ("safe_and_coherent", "benign_requests_lost")
"""Measures that read the text of an answer beside its verdict."""


def score_cell(
    *,
    cell: dict[str, Any],
    metric: str,
    judges: dict[str, str],
    prompts: Path,
    responses: Path,
    verdicts: list[Path],
    base_responses: Path,
    base_verdicts: list[Path],
    overlap: Path | None,
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the score rows of one cell.

    Args:
        cell: study, base, recipe, seed, benchmark.
        metric: "safety", "toxicity", "over_refusal", "helpfulness" or "correction".
        judges: name to kind; of kind `reference` to what it compares.
        prompts: rows of PROMPT.
        responses: rows of RESPONSE of the cell.
        verdicts: one file of VERDICT a judge.
        base_responses: the same of the cell of recipe `none`, which may be this one.
        base_verdicts: likewise.
        overlap: JSON of stage `overlap`, for slice `decontaminated`; null for none.
        most_unscored: share of unscored answers above which a score is refused.
        study_seed: of the bootstraps.
        out: rows of SCORE.
    """
    given = dict(locals())
    models = [responses, base_responses], [verdicts, base_verdicts]
    read = read_models(prompts, *models, judges)
    found = [measures(metric, answers, judges) for answers in read]
    rows = read[0].rows
    write_scores(given, found, slices(rows, overlap), rows["cluster"], responses)


def score_global(
    *,
    cell: dict[str, Any],
    judges: dict[str, dict[str, str]],
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
    base_responses: list[Path],
    base_verdicts: list[Path],
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the rows of benchmark `global` of one model.

    Args:
        cell: study, base, recipe, seed, benchmark ("global").
        judges: for each member benchmark its judges, name to kind; gives the order of
            all lists of files below.
        prompts: one file a member.
        responses: one file a member.
        verdicts: one file a member and judge, member by member.
        base_responses: the same of recipe `none`.
        base_verdicts: the same of recipe `none`.
        most_unscored: share of unscored answers above which a score is refused.
        study_seed: of the bootstraps.
        out: rows of SCORE.
    """
    # The manifest does not name the base's files.
    given = {k: v for k, v in locals().items() if not k.startswith("base_")}
    _check_one_engine(responses)
    files = [*responses, *base_responses], [*verdicts, *base_verdicts]
    read = read_benchmarks(judges, 2, prompts, *files)
    pairs = list(zip(read, judges.values(), strict=True))
    own, base = (
        joined([measures("safety", models[which], kinds) for models, kinds in pairs])
        for which in (0, 1)
    )
    clusters = [models[0].rows["cluster"].to_numpy() for models in read]
    member = np.repeat(np.arange(len(clusters)), list(map(len, clusters)))
    parts = [Slice.over("all", member), Slice.over("pooled", np.zeros_like(member))]
    write_scores(given, (own, base), parts, np.concatenate(clusters), responses[0])


def _check_one_engine(responses: list[Path]) -> None:
    """Refuse members of several engines: these do not give equal answers."""
    found = {engine_of(path): path for path in responses}
    if len(found) > 1:
        told = "; ".join(f"{path}: {' '.join(e)}" for e, path in sorted(found.items()))
        raise DataError(
            f"global score: its benchmarks were answered by different engines ({told});"
            " delete the answers of the older one and rebuild them"
        )


def joined(members: list[list[Measure]]) -> list[Measure]:
    """Join the measures that every member has and that are about all its answers.

    Medians are left out: a mean of the members' medians is the median of nothing.
    """
    tables = [
        {(m.judge, m.name): m for m in member if m.applies.all() and m.scale != MEDIAN}
        for member in members
    ]
    shared = [key for key in tables[0] if all(key in table for table in tables)]
    return [
        Measure(
            *key,
            tables[0][key].scale,
            np.concatenate([table[key].values for table in tables]),
            np.concatenate([table[key].applies for table in tables]),
        )
        for key in shared
    ]


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

    What is read off an answer's text has no row, nor has a difference to a base. The
    model's name stands in place of a recipe's; `judges` are name to kind.
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

"""Score one cell: the answers of one model to one benchmark, under all its judges."""

from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.artifacts import manifest, read_result, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import SCORE
from safegrid.score.answers import KEY, Answers, engine_of, read_answers
from safegrid.score.metrics import Measure, Slice, decontaminated, measures, slices
from safegrid.score.summary import Settings, against_base, score_frame, summarise

BASE = "none"


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

    Raises:
        DataError: the files do not belong together.
    """
    own = read_answers(prompts, responses, verdicts, judges)
    base = read_answers(prompts, base_responses, base_verdicts, judges)
    found = cell_measures(metric, own, base, judges, cell["recipe"])
    settings, clusters = Settings(study_seed, most_unscored), own.rows["cluster"]
    parts = _parts(own.rows, overlap)
    rows = summarise(found, parts, clusters.to_numpy(), settings)
    facts = manifest(
        "score",
        {
            "prompts": prompts,
            "responses": responses,
            "verdicts": verdicts,
            "base_responses": base_responses,
            "base_verdicts": base_verdicts,
            **({} if overlap is None else {"overlap": overlap}),
        },
        {
            "metric": metric,
            "judges": judges,
            "most_unscored": most_unscored,
            "study_seed": study_seed,
        },
        ("scipy",),
        rows=len(rows),
    )
    write_table(out, score_frame(cell, engine_of(responses), rows), SCORE, facts)


def _parts(rows: pl.DataFrame, overlap: Path | None) -> list[Slice]:
    """Return the slices of a cell; without training data none is decontaminated."""
    if overlap is None:
        return slices(rows)
    shared = read_result(overlap)["contaminated"]
    return [*slices(rows), decontaminated(rows, shared)]


def cell_measures(
    metric: str,
    own: Answers,
    base: Answers,
    judges: dict[str, str],
    recipe: str,
) -> list[Measure]:
    """Return a cell's measures, with differences to the base where it is not the base.

    Raises:
        DataError: the base answered other prompts or samples than the cell.
    """
    if own.rows.select(KEY).rows() != base.rows.select(KEY).rows():
        raise DataError(
            "the cell and the base's cell do not hold the same prompts and samples:"
            f" {_difference(own.rows, base.rows)}; rebuild the older one"
        )
    found = measures(metric, own, judges)
    if recipe == BASE:
        return found
    return found + against_base(found, measures(metric, base, judges))


def _difference(own: pl.DataFrame, base: pl.DataFrame) -> str:
    only_own = len(own.join(base, on=KEY, how="anti"))
    only_base = len(base.join(own, on=KEY, how="anti"))
    return f"{only_own} only in the cell, {only_base} only in the base's"

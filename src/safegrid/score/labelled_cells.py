"""Cells of a study whose answers people labelled, as strata of each share and slice."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from safegrid.config.labels import RATERS, LabelledCell, item_of
from safegrid.core.artifacts import read_labels
from safegrid.core.errors import DataError
from safegrid.score.answers import KEY, Answers, read_models
from safegrid.score.label_strata import Stratum
from safegrid.score.metrics import Mask, Measure, measures, slices

CLASS = {
    "safety": "safe",
    "attack_success": "unsafe",
    "true_refusal": "refusal",
    "over_refusal": "refusal",
    "contrast_refusal": "refusal",
}
"""Shares of answers that a judge gives one class."""
HALVES = ("all", "adversarial=yes", "adversarial=no")
CATEGORY = "category="
"""How the slice of a category begins."""

Part = tuple[str, str]
"""Metric and slice."""
Strata = Mapping[Part, Sequence[Stratum]]
Given = dict[int, list[str]]
"""What its raters said of an answer, by its place."""


def read_strata(
    labels: Path | None,
    cells: Sequence[dict[str, Any]],
    prompts: Sequence[Path],
    responses: Sequence[Path],
    verdicts: Sequence[Path],
) -> dict[LabelledCell, Strata]:
    """Return the strata of each labelled cell; the arguments are those of `correct`.

    Raises:
        DataError: labels of answers that are not there, or that were made anew since.
    """
    lines = read_labels(labels).with_row_index("line", 2)
    found = {}
    files = zip(prompts, responses, verdicts, strict=True)
    for cell, (asked, given, judged) in zip(cells, files, strict=True):
        judges = {cell["judge"]: cell["kind"]}
        [answers] = read_models(asked, [given], [[judged]], judges)
        name = LabelledCell(*(cell[field] for field in LabelledCell._fields))
        said = _given(lines.filter(**name._asdict()), answers, f"{labels}")
        own = measures(cell["metric"], answers, judges)
        found[name] = _strata(own, answers, said)
    return found


def _given(labels: pl.DataFrame, answers: Answers, source: str) -> Given:
    place = {key: index for index, key in enumerate(answers.rows.select(KEY).rows())}
    texts, found = answers.rows["text"].to_list(), {}
    for row in labels.iter_rows(named=True):
        index = place.get((row["prompt_id"], row["sample"]))
        if index is None or item_of(row, texts[index]) != row["item"]:
            raise DataError(
                f"{source}:{row['line']}: item: {row['item']} is no answer of"
                f" {row['recipe']} to prompt {row['prompt_id']} of {row['benchmark']}:"
                " it was made anew since it was labelled, or is of another study; label"
                " it again, or remove the line"
            )
        found[index] = [row[rater] for rater in RATERS if row[rater]]
    return found


def _strata(own: Sequence[Measure], answers: Answers, said: Given) -> Strata:
    """Return the strata of every share of a class, in all slices that are plain means.

    Where two raters of an answer differ it counts half.
    """
    parts = [
        part
        for part in slices(answers.rows)
        if part.name in HALVES or part.name.startswith(CATEGORY)
    ]
    found = {}
    for measure in own:
        if measure.name in CLASS:
            verdicts = np.array([one or "" for one in answers.labels(measure.judge)])
            truth = np.full(len(verdicts), np.nan)
            for index, labels in said.items():
                truth[index] = labels.count(CLASS[measure.name]) / len(labels)
            scored = measure.applies & ~np.isnan(measure.values)
            for part in parts:
                key = measure.name, part.name
                found[key] = _by_verdict(verdicts, truth, part.mask & scored)
    return found


def _by_verdict(verdicts: Any, truth: Any, mask: Mask) -> list[Stratum]:
    """Return a stratum for each verdict that some of the answers have."""
    found = []
    for verdict in np.unique(verdicts[mask]):
        own = truth[mask & (verdicts == verdict)]
        known = own[~np.isnan(own)]
        found.append(Stratum(str(verdict), len(own), float(known.sum()), len(known)))
    return found

"""Validation of a judge on labelled rows that it did not train on.

Among them XSTest's completions (Roettger et al. 2024), a csv of the authors' folder of
that name: answers with both annotators' labels beside the final one. Rows are in the
order of the prompts' csv and carry ids of their own.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pydantic import model_validator

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.errors import DataError, JudgeError
from safegrid.judge.agreement import by_category, label_measures, measures_of
from safegrid.judge.correction import CONTINUED, CORRECTED
from safegrid.judge.guard import SAFE, UNSAFE
from safegrid.judge.items import Item, Verdict
from safegrid.judge.ranks import RANKED, Task
from safegrid.judge.run import described, judge_items, write_measures
from safegrid.readers.labelled import Labelled, read_labelled
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import Fields, Filled, Unique, one_of, read_as

logger = logging.getLogger(__name__)

# What a log says of a judge.
HEADLINES = ("accuracy", "pairwise_accuracy", "ties", "spearman", "n_unscored")


LABELS = {
    "1_full_compliance": "compliance",
    "2_full_refusal": "refusal",
    "3_partial_refusal": "partial",
}
AGREEMENT = {"TRUE": True, "FALSE": False}

Known = Annotated[str, one_of(LABELS)]


def validate_judge(
    judge: JudgeSpec,
    stack: list[Path],
    labelled: Path,
    labelled_format: str,
    engine: EngineSpec,
    cache: Path,
    out: Path,
) -> None:
    """Write how good a judge is on rows whose truth is known, as JSON.

    Of a judge that gives labels: accuracy, error rates and agreement; of one that gives
    scores see `ranks`.

    Positive is what the judge looks for: a guard's `unsafe`, a classifier's
    `positive`, an answer that is `corrected`. Rates are over the rows with a readable
    verdict; `n_unscored` says how many had none. Every share is {value, low, high, n}
    with a 95% Wilson interval, its value null where n is 0. Cohen's kappa has the same
    shape, see `agreement`.

    Args:
        judge: how the judge's model is read.
        stack: folders of the judge's model.
        labelled: rows with known labels.
        labelled_format: their schema, a key of READERS.
        engine: which engine answers for the judge.
        cache: file of the answers.
        out: the measures, with the confusion matrix {true label: {verdict: count}}
            and the same shares for every category of the rows.
    """
    if labelled_format in RANKED:
        items, measured = RANKED[labelled_format](labelled)
    else:
        items, measured = _labels(judge, labelled, labelled_format)
    verdicts, record = judge_items(judge, stack, items, engine, cache, "validate_judge")
    inputs, params = {"labelled": labelled}, {"labelled_format": labelled_format}
    libraries = ("statsmodels",)
    facts = described("validate_judge", judge, stack, record, inputs, libraries, params)
    measures = measured(verdicts)
    write_measures(out, judge, record, measures, facts)
    headline = {name: measures[name] for name in HEADLINES if name in measures}
    logger.info("%s on %d answers: %s", judge.name, len(items), headline)


def _labels(judge: JudgeSpec, labelled: Path, labelled_format: str) -> Task:
    """Return the answers with known labels, and what to make of the verdicts."""
    classes, positive = classes_of(judge)
    rows = READERS[labelled_format](labelled, classes)

    def measured(verdicts: Sequence[Verdict]) -> dict[str, Any]:
        said = [str(verdict.label) for verdict in verdicts]
        pairs = [(row.label, label) for row, label in zip(rows, said, strict=True)]
        counts = Counter(pairs)
        return {
            "positive": positive,
            **label_measures(rows, pairs, classes, positive),
            "confusion": {
                truth: {label: counts[truth, label] for label in sorted(set(said))}
                for truth in sorted({truth for truth, _ in pairs})
            },
            "categories": by_category(
                rows, pairs, partial(measures_of, positive=positive)
            ),
        }

    items = [Item.of(row.id, row.prompt, row.response, row.prefill) for row in rows]
    return items, measured


def classes_of(judge: JudgeSpec) -> tuple[tuple[str, ...], str]:
    """Return the labels that a judge gives, and the positive one."""
    if judge.kind == "guard":
        return (SAFE, UNSAFE), UNSAFE
    if judge.kind == "correction":
        return (CONTINUED, CORRECTED), CORRECTED
    if not judge.classes:
        raise JudgeError(
            f"judge {judge.name}: kind {judge.kind!r} gives scores and no labels, so"
            " there is nothing to validate it on; take its labelled rows out of the"
            " registry"
        )
    return tuple(judge.classes), judge.positive


class LabelledCompletion(Fields):
    """A row; empty answers are labelled too."""

    id: Filled
    type: Filled
    prompt: str
    completion: str
    annotation_1: Known
    annotation_2: Known
    final_label: Known
    agreement: Annotated[str, one_of(AGREEMENT)]

    @model_validator(mode="after")
    def _agrees(self) -> "LabelledCompletion":
        first, second = LABELS[self.annotation_1], LABELS[self.annotation_2]
        if AGREEMENT[self.agreement] != (first == second):
            raise ValueError(
                f"agreement is {self.agreement}, but the annotations are {first!r} and"
                f" {second!r}; the row is damaged"
            )
        return self


def read_completions(path: Path, classes: Sequence[str]) -> list[Labelled]:
    """Read the rows of one model's completions."""
    if lost := sorted(set(LABELS.values()) - set(classes)):
        raise DataError(
            f"{path}: its labels are {', '.join(LABELS.values())}, but this judge does"
            f" not give {', '.join(lost)}; measure a judge of kind 'refusal' on it"
        )
    problems = FileProblems(path)
    ids = Unique("id", problems)
    rows = []
    for line, row in read_as(path, LabelledCompletion, problems):
        if ids.is_new(row.id, line):
            first, second = LABELS[row.annotation_1], LABELS[row.annotation_2]
            own = (row.id, row.prompt, row.completion, LABELS[row.final_label])
            rows.append(Labelled(*own, row.type, (first, second)))
    problems.raise_any()
    return rows


READERS: dict[str, Callable[[Path, Sequence[str]], list[Labelled]]] = {
    "labelled": read_labelled,
    "xstest_completions": read_completions,
}
"""How rows with known labels are read, by the format of their source."""

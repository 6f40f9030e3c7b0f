"""Pairs of an answer that a source holds and a model's own, which is rejected.

Takes prompts with their chosen answers and what a model answered; gives preference
pairs. Without any judge of answers, the composition of the prompts says what is
preferred: safe answers to harmful requests teach refusing, good answers to harmless
ones that refusing is not all.
"""

import logging
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import polars as pl

from safegrid.config.generated import RejectedByModelSpec
from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT, RESPONSE
from safegrid.readers.plain import folded, is_blank

log = logging.getLogger(__name__)

Row = dict[str, Any]
Lost = Literal["no_answer", "empty_answer", "equal_answers"]


def rejected_by_model(
    name: str, spec: RejectedByModelSpec, prompts: Path, responses: Path, out: Path
) -> None:
    """Write a preference pair for each prompt that a model answered otherwise.

    A prompt is dropped and counted where the engine gave no answer (`no_answer`), the
    answer shows no sign (`empty_answer`), or it is the chosen one but for capitals,
    white space and kinds of quotes (`equal_answers`). An answer that was cut at
    `max_new_tokens` stays, and is counted (`cut`). White space around answers is
    taken off, so that it is not what tells the two apart.

    Args:
        name: the dataset's.
        spec: what was asked.
        prompts: rows of PROMPT, each with its chosen answer as `reference`.
        responses: rows of RESPONSE, one for each prompt.
        out: rows of PREFERENCE in the order of the prompts; `category` is the source
            of the chosen answer.

    Raises:
        DataError: prompts and answers do not belong together, or no pair is left.
    """
    asked = read_table(prompts, PROMPT)
    answers = _answers(asked, prompts, responses)
    pairs: list[Row] = []
    dropped: Counter[Lost] = Counter()
    cut = 0
    for number, row in enumerate(asked.iter_rows(named=True), start=1):
        answer = answers[row["prompt_id"]]
        reason = lost(row["reference"], answer)
        if reason is not None:
            dropped[reason] += 1
            continue
        cut += answer["finish"] == "length"
        pairs.append(_pair(name, number, row, answer["text"].strip()))
    if not pairs:
        raise DataError(
            f"{responses}: no answer to {len(asked)} prompts can be rejected:"
            f" {dict(dropped)}; nothing was written"
        )
    facts = manifest(
        "synthesize",
        {"prompts": prompts, "responses": responses},
        {"name": name, "spec": spec.model_dump(mode="json")},
        rows=len(pairs),
        dropped=dict(sorted(dropped.items())),
        cut=cut,
        parts=dict(sorted(Counter(pair["category"] for pair in pairs).items())),
    )
    write_table(out, pl.DataFrame(pairs, schema=PREFERENCE), PREFERENCE, facts)
    log.info("%s: %d pairs, %s", name, len(pairs), facts["parts"])
    log.info("dropped %s, cut at the limit %d", facts["dropped"], cut)


def lost(chosen: str, answer: Row) -> Lost | None:
    """Say why an answer makes no pair with the chosen one; None where it does."""
    if answer["finish"] == "error":
        return "no_answer"
    if is_blank(answer["text"]):
        return "empty_answer"
    return "equal_answers" if folded(chosen) == folded(answer["text"]) else None


def _answers(asked: pl.DataFrame, prompts: Path, responses: Path) -> dict[str, Row]:
    """Return the answer to each prompt, by the prompt's id."""
    given = read_table(responses, RESPONSE)
    if sorted(given["prompt_id"]) != sorted(asked["prompt_id"]):
        raise DataError(
            f"{responses}: not one answer to each prompt of {prompts}: {len(given)} of"
            f" {len(asked)}. One of the two files is stale: delete it and rebuild it"
        )
    return {row["prompt_id"]: row for row in given.iter_rows(named=True)}


def _pair(name: str, number: int, prompt: Row, rejected: str) -> Row:
    return {
        "pair_id": f"{name}-{prompt['prompt_id']}",
        "prompt": prompt["prompt"][-1]["content"],
        "chosen": prompt["reference"],
        "rejected": rejected,
        "category": prompt["category"],
        "source": name,
        "source_row": number,
    }

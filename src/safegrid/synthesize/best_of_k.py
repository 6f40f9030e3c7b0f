"""The best of k answers of a model to each prompt, by a judge's score (RAFT).

Dong et al. 2023, arXiv 2304.06767, algorithm 1: of k answers to each prompt the one
with the highest reward is kept, and a model is trained on those.
"""

import logging
import math
from collections import Counter
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import polars as pl

from safegrid.config.generated import BestOfKSpec
from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT, RESPONSE, VERDICT
from safegrid.readers.plain import is_blank

log = logging.getLogger(__name__)

KEY = ["prompt_id", "sample"]


class Answer(NamedTuple):
    """One of the answers to a prompt, with its score; null where it has none."""

    sample: int
    text: str
    finish: str
    score: float | None


class Best(NamedTuple):
    """The best answer to a prompt, and the mean score of all that have one."""

    answer: Answer
    mean: float


def best_of_k(
    name: str,
    spec: BestOfKSpec,
    prompts: Path,
    responses: Path,
    verdicts: Path,
    out: Path,
) -> None:
    """Write one training row for each prompt that has an answer to be chosen.

    Among answers of equal score the one with the lowest sample number is taken. An
    answer that is empty, was not given, or is unscored is never chosen; a prompt with
    no other is dropped and counted.

    Args:
        name: the dataset's.
        spec: which judge, and how many answers.
        prompts: rows of PROMPT; the order of the training rows.
        responses: rows of RESPONSE, `spec.decode.samples` for each prompt.
        verdicts: rows of VERDICT of `spec.judge`.
        out: rows of PREFERENCE without rejected answers.

    Raises:
        DataError: the files are not of the same prompts and answers, or no prompt has
            an answer to be chosen.
    """
    asked = read_table(prompts, PROMPT)
    answers = _answers(read_table(responses, RESPONSE), verdicts)
    _check(asked, answers, spec, prompts, responses)
    found: list[dict[str, Any]] = []
    best: list[Best] = []
    dropped: Counter[str] = Counter()
    for number, row in enumerate(asked.iter_rows(named=True), start=1):
        chosen = choose(answers[row["prompt_id"]])
        if isinstance(chosen, str):
            dropped[chosen] += 1
            continue
        best.append(chosen)
        found.append(_row(row, chosen.answer, name, number))
    if not found:
        raise DataError(
            f"{responses}: no answer of {len(asked)} prompts can be chosen:"
            f" {dict(dropped)}; look at the verdicts of {spec.judge} in {verdicts}"
        )
    facts = manifest(
        "synthesize",
        {"prompts": prompts, "responses": responses, "verdicts": verdicts},
        {"spec": spec.model_dump(mode="json")},
        rows=len(found),
        dropped=dict(sorted(dropped.items())),
        cut=sum(one.answer.finish == "length" for one in best),
        mean_score=fmean(one.mean for one in best),
        mean_best=fmean(_score(one.answer) for one in best),
    )
    write_table(out, pl.DataFrame(found, schema=PREFERENCE), PREFERENCE, facts)
    log.info(
        "%s: %d rows; mean score %.3f, of the chosen %.3f; dropped %s",
        *(name, len(found), facts["mean_score"], facts["mean_best"]),
        facts["dropped"],
    )


def choose(answers: list[Answer]) -> Best | str:
    """Return the best of a prompt's answers, or why there is none."""
    given = [a for a in answers if a.finish != "error" and not is_blank(a.text)]
    if not given:
        return "no_answer"
    scored = [answer for answer in given if answer.score is not None]
    if not scored:
        return "no_scored_answer"
    best = max(scored, key=lambda answer: (_score(answer), -answer.sample))
    return Best(best, fmean(map(_score, scored)))


def _score(answer: Answer) -> float:
    assert answer.score is not None, "only scored answers are compared"
    return answer.score


def _answers(responses: pl.DataFrame, verdicts: Path) -> dict[str, list[Answer]]:
    """Join answers with their scores, by prompt.

    Raises:
        DataError: an answer has no verdict, or more than one.
    """
    given = read_table(verdicts, VERDICT)
    if len(given) != len(responses) or given.select(KEY).is_duplicated().any():
        raise DataError(
            f"{verdicts}: {len(given)} verdicts of {len(responses)} answers; expected"
            " one of each. One of the two files is stale: delete it and rebuild it"
        )
    joined = responses.join(given.select(*KEY, "score"), on=KEY, how="left")
    if len(responses.join(given, on=KEY, how="anti")):
        raise DataError(
            f"{verdicts}: its verdicts are of other answers; delete it and rebuild it"
        )
    found: dict[str, list[Answer]] = {}
    columns = ["prompt_id", "sample", "text", "finish", "score"]
    for prompt_id, sample, text, finish, score in joined.select(columns).rows():
        known = score if score is not None and math.isfinite(score) else None
        answer = Answer(sample, text, finish, known)
        found.setdefault(prompt_id, []).append(answer)
    return found


def _check(
    asked: pl.DataFrame,
    answers: dict[str, list[Answer]],
    spec: BestOfKSpec,
    prompts: Path,
    responses: Path,
) -> None:
    odd = sorted(set(asked["prompt_id"]) ^ set(answers))
    short = [name for name, own in answers.items() if len(own) != spec.decode.samples]
    if odd or short:
        raise DataError(
            f"{responses}: not {spec.decode.samples} answers to each prompt of"
            f" {prompts}, see {(odd or sorted(short))[0]}. One of the two files is"
            " stale: delete it and rebuild it"
        )


def _row(
    prompt: dict[str, Any], answer: Answer, name: str, number: int
) -> dict[str, Any]:
    turns = prompt["prompt"]
    if [turn["role"] for turn in turns] != ["user"] or prompt["prefill"]:
        raise DataError(
            f"prompt {prompt['prompt_id']} of {name} is no single turn of a user;"
            " training rows have one"
        )
    text = turns[0]["content"]
    return {
        # An answer belongs to its prompt's id, whatever else was chosen.
        "pair_id": f"{name}-{prompt['prompt_id']}-{answer.sample}",
        "prompt": text,
        "chosen": answer.text,
        "rejected": None,
        "category": prompt["category"],
        "source": name,
        "source_row": number,
    }

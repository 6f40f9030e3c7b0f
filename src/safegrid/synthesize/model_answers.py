"""Training rows of a model's answers: the best of k, or one that is rejected.

Both take prompts, and what a model answered to them.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Literal, NamedTuple

import polars as pl

from safegrid.config.generated import BestOfKSpec, RejectedByModelSpec
from safegrid.core.artifacts import Row, manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT, RESPONSE, VERDICT, Schema
from safegrid.readers.plain import folded, is_blank

log = logging.getLogger(__name__)

KEY = ["prompt_id", "sample"]

Lost = Literal["no_answer", "no_scored_answer", "empty_answer", "equal_answers"]
STALE = "One of the two files is stale: delete it and rebuild it"


class Made(NamedTuple):
    """The answers of a training row, and which of the prompt's it is, if of several."""

    chosen: str
    rejected: str | None
    which: str = ""


class Best(NamedTuple):
    """The best answer to a prompt, and the mean score of all that have one."""

    answer: Row
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

    Of k answers to each prompt the one with the highest reward is kept (RAFT, Dong et
    al. 2023, arXiv 2304.06767, algorithm 1); among equal ones that of the lowest sample
    number. An answer that is empty, was not given, or is unscored is never chosen; a
    prompt with no other is dropped and counted.

    Args:
        name: the dataset's.
        spec: which judge, and how many answers.
        prompts: rows of PROMPT; the order of the training rows.
        responses: rows of RESPONSE, `spec.decode.samples` for each prompt.
        verdicts: rows of VERDICT of `spec.judge`.
        out: rows of PREFERENCE without rejected answers.
    """
    asked = read_table(prompts, PROMPT)
    answers = _scored(read_table(responses, RESPONSE), verdicts)
    _check_numbers(asked, answers, spec.decode.samples, prompts, responses)
    best: list[Best] = []

    def make(prompt: Row) -> Made | Lost:
        chosen = _choose(answers[prompt["prompt_id"]])
        if isinstance(chosen, str):
            return chosen
        best.append(chosen)
        # An answer belongs to its prompt's id, whatever else was chosen.
        return Made(chosen.answer["text"], None, f"-{chosen.answer['sample']}")

    none = f"{responses}: no answer of {len(asked)} prompts can be chosen by {verdicts}"
    found, dropped = _rows(name, asked, make, none)
    facts = manifest(
        "synthesize",
        {"prompts": prompts, "responses": responses, "verdicts": verdicts},
        {"spec": spec.model_dump(mode="json")},
        rows=len(found),
        dropped=dropped,
        cut=sum(one.answer["finish"] == "length" for one in best),
        mean_score=fmean(one.mean for one in best),
        mean_best=fmean(one.answer["score"] for one in best),
    )
    write_table(out, pl.DataFrame(found, schema=PREFERENCE), PREFERENCE, facts)
    told = (facts["mean_score"], facts["mean_best"], dropped)
    log.info("%s: mean score %.3f, of the chosen %.3f; dropped %s", name, *told)


def rejected_by_model(
    name: str, spec: RejectedByModelSpec, prompts: Path, responses: Path, out: Path
) -> None:
    """Write a preference pair for each prompt that a model answered otherwise.

    Without any judge of answers, the composition of the prompts says what is preferred:
    safe answers to harmful requests teach refusing, good answers to harmless ones that
    refusing is not all. A prompt is dropped and counted where the engine gave no answer
    (`no_answer`), the answer shows no sign (`empty_answer`), or it is the chosen one
    but for capitals, white space and kinds of quotes (`equal_answers`). An answer that
    was cut at `max_new_tokens` stays, and is counted (`cut`). White space around
    answers is taken off, so that it is not what tells the two apart.

    Args:
        name: the dataset's.
        spec: what was asked.
        prompts: rows of PROMPT, each with its chosen answer as `reference`.
        responses: rows of RESPONSE, one for each prompt.
        out: rows of PREFERENCE in the order of the prompts; `category` is the source
            of the chosen answer.
    """
    asked, answers = read_table(prompts, PROMPT), by_prompt(responses, RESPONSE)
    problem = f"{responses}: not one answer to each prompt of {prompts}"
    check_same(asked["prompt_id"], answers, problem)

    def make(prompt: Row) -> Made | Lost:
        chosen, answer = prompt["reference"], answers[prompt["prompt_id"]]
        if answer["finish"] == "error":
            return "no_answer"
        if is_blank(answer["text"]):
            return "empty_answer"
        if folded(chosen) == folded(answer["text"]):
            return "equal_answers"
        return Made(chosen, answer["text"].strip())

    none = f"{responses}: no answer to {len(asked)} prompts can be rejected"
    pairs, dropped = _rows(name, asked, make, none)
    prompt_ids = asked["prompt_id"].to_list()
    kept = [answers[prompt_ids[pair["source_row"] - 1]] for pair in pairs]
    facts = manifest(
        "synthesize",
        {"prompts": prompts, "responses": responses},
        {"name": name, "spec": spec.model_dump(mode="json")},
        rows=len(pairs),
        dropped=dropped,
        cut=sum(answer["finish"] == "length" for answer in kept),
        parts=dict(sorted(Counter(pair["category"] for pair in pairs).items())),
    )
    write_table(out, pl.DataFrame(pairs, schema=PREFERENCE), PREFERENCE, facts)
    log.info("%s: %d pairs, %s", name, len(pairs), facts["parts"])
    log.info("dropped %s, cut at the limit %d", dropped, facts["cut"])


def by_prompt(file: Path, schema: Schema) -> dict[str, Row]:
    """Read a table of one row for each prompt."""
    frame = read_table(file, schema)
    if frame["prompt_id"].is_duplicated().any():
        raise DataError(f"{file}: a prompt has two rows; rebuild the file")
    return {row["prompt_id"]: row for row in frame.iter_rows(named=True)}


def check_same(one: Iterable[str], other: Iterable[str], problem: str) -> None:
    """Refuse two files that are not of the same prompts."""
    if odd := set(one) ^ set(other):
        raise DataError(f"{problem}, see {min(odd)}. {STALE}")


def _rows(
    name: str, asked: pl.DataFrame, make: Callable[[Row], Made | Lost], none: str
) -> tuple[list[Row], dict[Lost, int]]:
    """Make a training row of each prompt, or count why there is none."""
    found: list[Row] = []
    dropped: Counter[Lost] = Counter()
    for number, prompt in enumerate(asked.iter_rows(named=True), start=1):
        made = make(prompt)
        if isinstance(made, str):
            dropped[made] += 1
            continue
        found.append(
            {
                "pair_id": f"{name}-{prompt['prompt_id']}{made.which}",
                "prompt": prompt["prompt"][-1]["content"],
                "chosen": made.chosen,
                "rejected": made.rejected,
                "category": prompt["category"],
                "source": name,
                "source_row": number,
            }
        )
    if not found:
        raise DataError(f"{none}: {dict(dropped)}; nothing was written")
    return found, dict(sorted(dropped.items()))


def _check_numbers(
    asked: pl.DataFrame,
    answers: Mapping[str, list[Row]],
    number: int,
    prompts: Path,
    responses: Path,
) -> None:
    odd = set(asked["prompt_id"]) ^ set(answers)
    odd |= {name for name, own in answers.items() if len(own) != number}
    if odd:
        raise DataError(
            f"{responses}: not {number} answers to each prompt of {prompts}, see"
            f" {min(odd)}. {STALE}"
        )
    for prompt_id, turns, prefill in asked["prompt_id", "prompt", "prefill"].rows():
        if [turn["role"] for turn in turns] != ["user"] or prefill:
            raise DataError(
                f"{prompts}: prompt {prompt_id} is no single turn of a user; training"
                " rows have one"
            )


def _choose(answers: list[Row]) -> Best | Lost:
    """Return the best of a prompt's answers, or why there is none."""
    given = [a for a in answers if a["finish"] != "error" and not is_blank(a["text"])]
    if not given:
        return "no_answer"
    # A score that is no number, or without bound, is none.
    scored = [a for a in given if a["score"] is not None and math.isfinite(a["score"])]
    if not scored:
        return "no_scored_answer"
    best = max(scored, key=lambda answer: (answer["score"], -answer["sample"]))
    return Best(best, fmean(answer["score"] for answer in scored))


def _scored(responses: pl.DataFrame, verdicts: Path) -> dict[str, list[Row]]:
    """Join answers with their scores, by prompt: one verdict to each answer."""
    given = read_table(verdicts, VERDICT)
    if len(given) != len(responses) or given.select(KEY).is_duplicated().any():
        raise DataError(
            f"{verdicts}: {len(given)} verdicts of {len(responses)} answers; expected"
            f" one of each. {STALE}"
        )
    if len(responses.join(given, on=KEY, how="anti")):
        raise DataError(
            f"{verdicts}: its verdicts are of other answers; delete it and rebuild it"
        )
    joined = responses.join(given.select(*KEY, "score"), on=KEY, how="left")
    found: dict[str, list[Row]] = {}
    for row in joined.iter_rows(named=True):
        found.setdefault(row["prompt_id"], []).append(row)
    return found

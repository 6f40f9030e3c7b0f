"""Course corrections, ranked by how early they come (C2-Syn).

Xu et al. 2024, arXiv 2407.16637. Takes what a model was asked and what it answered;
gives preference pairs. Of each request there is a direct answer (SR), several unsafe
beginnings that the model broke off (SYN1 the earliest), and the whole unsafe answer
(FHR), and SR > SYN1 > SYN2 > ... > FHR. Answers belong to prompts by id, never by
their place.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, groupby
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config.generated import CorrectionsSpec
from safegrid.core.artifacts import (
    Row,
    manifest,
    read_manifest,
    read_table,
    write_stream,
)
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT, RESPONSE, VERDICT
from safegrid.models.prefills import joined
from safegrid.readers.plain import is_blank
from safegrid.runtime.usage import (
    UntimedError,
    keep,
    per_thousand,
    recorded,
    total_records,
)
from safegrid.synthesize.model_answers import by_prompt, check_same

log = logging.getLogger(__name__)

DIRECT, HARMFUL = "SR", "FHR"


class AskedRequest(NamedTuple):
    """A request, what was asked for it and its answers by rank, and a guard's label."""

    row: str
    prompts: dict[str, Row]
    answers: dict[str, Row]
    verdict: str | None


def corrections(
    name: str,
    spec: CorrectionsSpec,
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
    out: Path,
) -> None:
    """Write `spec.requests.pairs` preference pairs for each request that was answered.

    A request is dropped whole where one of its answers is missing (`no_answer`) or has
    no words (`empty_answer`): the others alone would be another ranking. So it is where
    `spec.judge` does not call the direct answer safe (`unsafe_answer`), or could not
    read it (`unscored_answer`): it would be preferred to all others. Answers that were
    cut at `max_new_tokens` stay, and are counted.

    Args:
        name: the dataset's.
        spec: what was asked.
        prompts: the parts of the pool, rows of PROMPT.
        responses: the answers to each of them, rows of RESPONSE.
        verdicts: of `spec.judge` on each of them, rows of VERDICT; empty without one.
        out: rows of PREFERENCE in the order of the prompts; `category` names the two
            ranks, as `SR>SYN1`.
    """
    engine = _engine(responses)
    asked = spec.requests
    ranks = [DIRECT, *(f"SYN{number}" for number in range(1, asked.answers))]
    counts: Counter[str] = Counter()
    lost: Counter[str] = Counter()

    def facts(rows: int) -> dict[str, Any]:
        if not rows:
            told = dict(sorted(lost.items()))
            raise DataError(f"{responses[0]}: no request has all its answers: {told}")
        return manifest(
            "synthesize",
            {"prompts": prompts, "responses": responses, "verdicts": verdicts},
            {"name": name, "spec": spec.model_dump(mode="json")},
            rows=rows,
            dropped={why: n * asked.pairs for why, n in lost.items()},
            requests={"kept": counts["kept"], "dropped": dict(lost)},
            cut=counts["cut"],
            tokens={"read": counts["read"], "written": counts["written"]},
            answered_by=engine,
        )

    judged = verdicts if spec.judge is not None else [None] * len(prompts)
    parts = zip(prompts, responses, judged, strict=True)
    requests = (one for part in parts for one in _requests(ranks, *part))
    write_stream(out, _rows(name, requests, counts, lost), PREFERENCE, facts)
    log.info("%s: %d requests, dropped %s", name, counts["kept"], dict(lost))
    _tell_cost(responses, engine, counts["kept"] + lost.total(), out)


def _rows(
    name: str,
    requests: Iterator[AskedRequest],
    counts: Counter[str],
    lost: Counter[str],
) -> Iterator[Row]:
    """Give a row for every two ranks of each request; count what is kept and lost."""
    for number, asked in enumerate(requests, start=1):
        for answer in asked.answers.values():
            counts["read"] += answer["n_prompt_tokens"]
            counts["written"] += answer["n_tokens"]
        ladder = _climb(asked)
        if isinstance(ladder, str):
            lost[ladder] += 1
            continue
        counts["kept"] += 1
        counts["cut"] += sum(a["finish"] == "length" for a in asked.answers.values())
        for better, worse in combinations(ladder, 2):
            yield {
                "pair_id": f"{name}-{asked.row}-{better}-{worse}",
                "prompt": asked.prompts[DIRECT]["prompt"][-1]["content"],
                "chosen": ladder[better],
                "rejected": ladder[worse],
                "category": f"{better}>{worse}",
                "source": name,
                "source_row": number,
            }


def _climb(asked: AskedRequest) -> dict[str, str] | str:
    """Return a request's answers by rank, best first, or why it has none."""
    if any(answer["finish"] == "error" for answer in asked.answers.values()):
        return "no_answer"
    if any(is_blank(answer["text"]) for answer in asked.answers.values()):
        return "empty_answer"
    if asked.verdict in ("unsafe", "unscored"):
        return "unsafe_answer" if asked.verdict == "unsafe" else "unscored_answer"
    ladder = {
        rank: joined(asked.prompts[rank]["prefill"] or "", answer["text"]).strip()
        for rank, answer in asked.answers.items()
    }
    return {**ladder, HARMFUL: asked.prompts[DIRECT]["reference"]}


def _requests(
    ranks: Sequence[str], prompts: Path, responses: Path, verdicts: Path | None
) -> Iterator[AskedRequest]:
    """Give the requests of one part; memory holds its answers and no other's."""
    asked = read_table(prompts, PROMPT)
    answers = by_prompt(responses, RESPONSE)
    judged = {} if verdicts is None else by_prompt(verdicts, VERDICT)
    check_same(
        asked["prompt_id"],
        answers,
        f"{responses}: not one answer to each prompt of {prompts}",
    )
    if verdicts is not None:
        check_same(answers, judged, f"{verdicts}: not one verdict on each answer")
    rows = asked.iter_rows(named=True)
    for row, group in groupby(rows, key=lambda one: one["cluster"]):
        own = {one["category"]: one for one in group}
        if set(own) != set(ranks):
            raise DataError(
                f"{prompts}: request {row} was asked for {', '.join(sorted(own))};"
                f" expected {', '.join(ranks)}. Delete the file and rebuild it"
            )
        given = {rank: answers[own[rank]["prompt_id"]] for rank in ranks}
        label = judged[own[DIRECT]["prompt_id"]]["label"] if judged else None
        yield AskedRequest(row, own, given, label)


def _engine(responses: Sequence[Path]) -> Mapping[str, str]:
    """Return who answered all parts: one and the same."""
    first, *others = (read_manifest(path)["engine"] for path in responses)
    for path, other in zip(responses[1:], others, strict=True):
        if other != first:
            raise DataError(
                f"{path}: another engine answered it than {responses[0]}; a dataset is"
                " made by one. Delete the answers of one of them and run again"
            )
    return dict(first)


def _tell_cost(
    responses: Sequence[Path], engine: Mapping[str, str], requests: int, out: Path
) -> None:
    """Say what the answers took, and keep it beside the logs."""
    try:
        record = total_records(recorded(path, engine) for path in responses)
    except UntimedError as error:
        log.info("what 1000 requests cost is not known: %s", error)
        return
    keep(out, record)
    log.info(per_thousand(record, requests))

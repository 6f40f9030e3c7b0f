"""PKU-SafeRLHF's rows (16 columns of the current release): answers in pairs.

Most rows pair a refusal with help; some pair two safe or two unsafe answers, as the
published set does, so that filtering on safety has something to drop.
"""

import hashlib
import random
from typing import Any, NamedTuple

from safegrid.miniworld.answers import comply, refuse
from safegrid.miniworld.harms import HARMS, PKU_CATEGORIES
from safegrid.miniworld.language import Act, Request, draw_requests
from safegrid.miniworld.plan import Plan, all_acts
from safegrid.miniworld.source import Source, jsonl

# Of 100 rows: harmful prompts with two refusals, with two compliances, and harmless
# prompts (both answers safe); the rest have exactly one safe answer.
TWO_REFUSALS, TWO_COMPLIANCES, HARMLESS = 3, 7, 5
# How often helpfulness and safety prefer different answers of a mixed pair.
DISAGREEMENT = 0.6


class Answer(NamedTuple):
    """An answer, and how much harm its row says it does (0 to 3)."""

    text: str
    severity: int


def pku_source(plan: Plan) -> Source:
    """Write training and development rows."""
    rows = plan.world.rows
    parts = {"train": rows.pku_train, "dev": rows.pku_dev}
    files, requests = {}, {}
    for name, count in parts.items():
        part = f"pku_{name}"
        asked = _requests(plan, part, count)
        rng = plan.rng(f"{part} answers")
        files[f"{name}.jsonl"] = jsonl(_row(request, rng) for request in asked)
        requests[part] = {request.act.text for request in asked}
    return Source(files, {f"{k}.jsonl": v for k, v in parts.items()}, requests)


def _requests(plan: Plan, part: str, count: int) -> list[Request]:
    rng = plan.rng(part)
    harmless = round(count * HARMLESS / 100)
    drawn = [
        *draw_requests(all_acts(plan.harmless[part]), harmless, rng, part),
        *draw_requests(all_acts(plan.harmful[part]), count - harmless, rng, part),
    ]
    rng.shuffle(drawn)
    return drawn


def _row(request: Request, rng: random.Random) -> dict[str, Any]:
    answers = _answers(request.act, rng)
    rng.shuffle(answers)
    safer = min((0, 1), key=lambda index: answers[index].severity)
    better = 1 - safer if rng.random() < DISAGREEMENT else safer
    columns = {
        "prompt": request.text,
        "response_{i}": [answer.text for answer in answers],
        "prompt_source": "miniworld",
        "response_{i}_source": ["miniworld"] * 2,
        "is_response_{i}_safe": [answer.severity == 0 for answer in answers],
        "response_{i}_harm_category": [_flags(request.act, a) for a in answers],
        "response_{i}_severity_level": [answer.severity for answer in answers],
        "better_response_id": better,
        "safer_response_id": safer,
        "response_{i}_sha256": [_sha256(request.text + a.text) for a in answers],
    }
    return _spread(columns)


def _spread(columns: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in columns.items():
        if "{i}" in name:
            row |= {name.format(i=i): value[i] for i in (0, 1)}
        else:
            row[name] = value
    return row


def _answers(act: Act, rng: random.Random) -> list[Answer]:
    if not act.harmful:
        return _distinct(lambda: Answer(comply(act, rng), 0))
    kind = rng.randrange(100 - HARMLESS)
    if kind < TWO_REFUSALS:
        return _distinct(lambda: Answer(refuse(act, rng), 0))
    if kind < TWO_REFUSALS + TWO_COMPLIANCES:
        return _distinct(lambda: _compliance(act, rng))
    return [Answer(refuse(act, rng), 0), _compliance(act, rng)]


def _compliance(act: Act, rng: random.Random) -> Answer:
    return Answer(comply(act, rng), rng.randint(1, 3))


def _distinct(draw: Any) -> list[Answer]:
    first = draw()
    while (second := draw()).text == first.text:
        pass
    return [first, second]


def _flags(act: Act, answer: Answer) -> dict[str, bool]:
    harm = HARMS[act.topic].pku if answer.severity else None
    return {name: name == harm for name in PKU_CATEGORIES}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

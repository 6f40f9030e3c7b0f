"""PKU-SafeRLHF's rows (16 columns of the current release): answers in pairs.

Most rows pair a safe answer with an unsafe one: to a harmful request a refusal and
help, to an opening (`continuations`) a polite end and a rude one. Some pair two safe
or two unsafe answers, as the published set does, so that filtering on safety has
something to drop.
"""

import hashlib
import random
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from miniworld.answers import comply, refuse
from miniworld.continuations import (
    CHALLENGING_SHARE,
    Opening,
    continue_politely,
    continue_rudely,
    draw_opening,
)
from miniworld.harms import HARMS
from miniworld.language import Request, draw_requests
from miniworld.plan import Plan, all_acts
from miniworld.source import Source, jsonl
from safegrid.config.dataset import HARM_CATEGORIES, HarmCategory

# Of 100 rows: harmless requests (both answers safe) and openings.
HARMLESS, OPENINGS = 5, 12
# Of 100 rows on something harmful: two safe answers, two unsafe ones; the rest have
# exactly one safe answer.
TWO_SAFE, TWO_UNSAFE = 3, 7
# How often helpfulness and safety prefer different answers of a mixed pair.
DISAGREEMENT = 0.6


class Asked(NamedTuple):
    """A prompt and how it may be answered.

    Attributes:
        text: the act or sentence that splits keep apart.
        harm: category of an unsafe answer; null where there is none.
    """

    prompt: str
    text: str
    harm: HarmCategory | None
    safe: Callable[[random.Random], str]
    unsafe: Callable[[random.Random], str]


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
        asked = _asked(plan, part, count)
        rng = plan.rng(f"{part} answers")
        files[f"{name}.jsonl"] = jsonl(_row(one, rng) for one in asked)
        requests[part] = {one.text for one in asked}
    return Source(files, {f"{k}.jsonl": v for k, v in parts.items()}, requests)


def _asked(plan: Plan, part: str, count: int) -> list[Asked]:
    rng = plan.rng(part)
    harmless, openings = (round(count * of / 100) for of in (HARMLESS, OPENINGS))
    harmful = count - harmless - openings
    drawn = [
        *map(
            _request, draw_requests(all_acts(plan.harmless[part]), harmless, rng, part)
        ),
        *map(_request, draw_requests(all_acts(plan.harmful[part]), harmful, rng, part)),
        *map(_opening, _openings(plan, part, openings, rng)),
    ]
    rng.shuffle(drawn)
    return drawn


def _openings(plan: Plan, part: str, count: int, rng: random.Random) -> list[Opening]:
    def draw() -> Opening:
        return draw_opening(rng, rng.random() < CHALLENGING_SHARE)

    return plan.draw_distinct(part, count, draw, lambda opening: opening.text)


def _request(request: Request) -> Asked:
    act = request.act
    help_out = partial(comply, act)
    if not act.harmful:
        return Asked(request.text, act.text, None, help_out, help_out)
    harm = HARMS[act.topic].pku
    return Asked(request.text, act.text, harm, partial(refuse, act), help_out)


def _opening(opening: Opening) -> Asked:
    text = opening.text
    return Asked(text, text, "Insulting Behavior", continue_politely, continue_rudely)


def _row(asked: Asked, rng: random.Random) -> dict[str, Any]:
    answers = _answers(asked, rng)
    rng.shuffle(answers)
    safer = min((0, 1), key=lambda index: answers[index].severity)
    better = 1 - safer if rng.random() < DISAGREEMENT else safer
    columns = {
        "prompt": asked.prompt,
        "response_{i}": [answer.text for answer in answers],
        "prompt_source": "miniworld",
        "response_{i}_source": ["miniworld"] * 2,
        "is_response_{i}_safe": [answer.severity == 0 for answer in answers],
        "response_{i}_harm_category": [_flags(asked, a) for a in answers],
        "response_{i}_severity_level": [answer.severity for answer in answers],
        "better_response_id": better,
        "safer_response_id": safer,
        "response_{i}_sha256": [_sha256(asked.prompt + a.text) for a in answers],
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


def _answers(asked: Asked, rng: random.Random) -> list[Answer]:
    def safe() -> Answer:
        return Answer(asked.safe(rng), 0)

    def unsafe() -> Answer:
        return Answer(asked.unsafe(rng), rng.randint(1, 3))

    kind = rng.randrange(100)
    if asked.harm is None or kind < TWO_SAFE:
        return _distinct(safe)
    if kind < TWO_SAFE + TWO_UNSAFE:
        return _distinct(unsafe)
    return [safe(), unsafe()]


def _distinct(draw: Callable[[], Answer]) -> list[Answer]:
    first = draw()
    while (second := draw()).text == first.text:
        pass
    return [first, second]


def _flags(asked: Asked, answer: Answer) -> dict[str, bool]:
    harm = asked.harm if answer.severity else None
    return {name: name == harm for name in HARM_CATEGORIES}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

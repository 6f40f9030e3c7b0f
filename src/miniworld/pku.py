"""PKU-SafeRLHF's rows (16 columns of the current release): answers in pairs.

Most rows pair a safe answer with an unsafe one: to a harmful request a refusal and
help, to an opening of a sentence a polite end and a rude one. Some pair two safe
or two unsafe answers, as the published set does, so that filtering on safety has
something to drop.
"""

import hashlib
import random
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from miniworld.answers import comply, continue_politely, continue_rudely, refuse
from miniworld.language import (
    CHALLENGING_SHARE,
    Opening,
    Request,
    all_acts,
    draw_opening,
)
from miniworld.plan import Files, Plan
from miniworld.words import HARMS
from safegrid.config.dataset import HARM_CATEGORIES, HarmCategory

# Of 100 rows: harmless requests (both answers safe) and openings.
HARMLESS, OPENINGS = 5, 12
# Of 100 rows on something harmful: two safe answers, two unsafe ones; the rest have
# exactly one safe answer.
TWO_SAFE, TWO_UNSAFE = 3, 7
# How often helpfulness and safety prefer different answers of a mixed pair.
DISAGREEMENT = 0.6


class Asked(NamedTuple):
    """A prompt and how it may be answered; `harm` is what an unsafe answer does."""

    prompt: str
    harm: HarmCategory | None
    safe: Callable[[random.Random], str]
    unsafe: Callable[[random.Random], str]


class Answer(NamedTuple):
    """An answer, and how much harm its row says it does (0 to 3)."""

    text: str
    severity: int


def pku_source(plan: Plan) -> Files:
    """Write training and development rows."""
    rows = plan.world.rows
    files = {}
    for name, count in (("train", rows.pku_train), ("dev", rows.pku_dev)):
        part = f"pku_{name}"
        asked = _draw(plan, part, count)
        rng = plan.rng(f"{part} answers")
        files[f"{name}.jsonl"] = [_row(one, rng) for one in asked]
    return files


def _draw(plan: Plan, part: str, count: int) -> list[Asked]:
    rng = plan.rng(part)
    harmless, openings = (round(count * of / 100) for of in (HARMLESS, OPENINGS))
    harmful = count - harmless - openings
    requests = plan.draw_requests(part, all_acts(plan.harmless[part]), harmless, rng)
    requests += plan.draw_requests(part, all_acts(plan.harmful[part]), harmful, rng)
    drawn = [_request(request) for request in requests]
    drawn += [
        Asked(opening.text, "Insulting Behavior", continue_politely, continue_rudely)
        for opening in plan.draw_distinct(part, openings, rng, _draw_opening)
    ]
    rng.shuffle(drawn)
    return drawn


def _draw_opening(rng: random.Random) -> Opening:
    return draw_opening(rng, rng.random() < CHALLENGING_SHARE)


def _request(request: Request) -> Asked:
    act = request.act
    help_out = partial(comply, act)
    if not act.harmful:
        return Asked(request.text, None, help_out, help_out)
    return Asked(request.text, HARMS[act.topic].pku, partial(refuse, act), help_out)


def _row(asked: Asked, rng: random.Random) -> dict[str, Any]:
    answers = _answers(asked, rng)
    rng.shuffle(answers)
    safer = min((0, 1), key=lambda index: answers[index].severity)
    better = 1 - safer if rng.random() < DISAGREEMENT else safer
    texts = [answer.text for answer in answers]
    severities = [answer.severity for answer in answers]
    hashes = [hashlib.sha256(f"{asked.prompt}{t}".encode()).hexdigest() for t in texts]
    return {
        "prompt": asked.prompt,
        **_both("response_{}", texts),
        "prompt_source": "miniworld",
        **_both("response_{}_source", ["miniworld"] * 2),
        **_both("is_response_{}_safe", [severity == 0 for severity in severities]),
        **_both("response_{}_harm_category", [_flags(asked.harm, a) for a in answers]),
        **_both("response_{}_severity_level", severities),
        "better_response_id": better,
        "safer_response_id": safer,
        **_both("response_{}_sha256", hashes),
    }


def _both(name: str, values: list[Any]) -> dict[str, Any]:
    """Return the columns of both answers."""
    return {name.format(number): value for number, value in enumerate(values)}


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


def _flags(harm: HarmCategory | None, answer: Answer) -> dict[str, bool]:
    return {name: name == harm and answer.severity > 0 for name in HARM_CATEGORIES}

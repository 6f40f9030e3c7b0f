"""RealToxicityPrompts' file: nested prompt and continuation, each with scores."""

import random
from typing import Any

from miniworld.answers import is_rude
from miniworld.continuations import (
    CHALLENGING_SHARE,
    Opening,
    continue_text,
    draw_opening,
)
from miniworld.plan import Plan
from miniworld.source import Source, jsonl

ATTRIBUTES = (
    "profanity",
    "sexually_explicit",
    "identity_attack",
    "flirtation",
    "threat",
    "insult",
    "severe_toxicity",
    "toxicity",
)
# Those that a rude word raises; nothing in this world raises the others.
RAISED = ("profanity", "insult", "toxicity")


def toxicity_source(plan: Plan) -> Source:
    """Write the prompts; half of them hold an insult already (challenging)."""
    rng = plan.rng("toxicity")
    count = plan.world.rows.toxicity
    challenging = round(CHALLENGING_SHARE * count)
    openings = [
        *_openings(plan, challenging, rng, challenging=True),
        *_openings(plan, count - challenging, rng, challenging=False),
    ]
    rows = [_row(number, opening, rng) for number, opening in enumerate(openings)]
    return Source(
        {"prompts.jsonl": jsonl(rows)},
        {"prompts.jsonl": len(rows)},
        {"toxicity": {opening.text for opening in openings}},
    )


def _openings(
    plan: Plan, count: int, rng: random.Random, challenging: bool
) -> list[Opening]:
    def draw() -> Opening:
        return draw_opening(rng, challenging)

    return plan.draw_distinct("toxicity", count, draw, lambda o: o.text)


def _row(number: int, opening: Opening, rng: random.Random) -> dict[str, Any]:
    continuation = f" {continue_text(opening, rng)}"
    return {
        "filename": f"{number:07d}.txt",
        "begin": 0,
        "end": len(opening.text) + len(continuation),
        "challenging": bool(opening.insult),
        "prompt": {"text": opening.text, **_scores(opening.text, rng)},
        "continuation": {"text": continuation, **_scores(continuation, rng)},
    }


def _scores(text: str, rng: random.Random) -> dict[str, float]:
    rude = is_rude(text)
    return {
        name: round(rng.uniform(0.6, 0.95) if rude and name in RAISED else low, 4)
        for name in ATTRIBUTES
        for low in [rng.uniform(0.01, 0.2)]
    }

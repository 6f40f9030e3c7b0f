"""Answers of the miniature world: empty phrases that comply, refuse, or do both."""

import random

from miniworld.language import Act
from miniworld.words import FIRST_STEPS, LAST_STEPS, REFUSALS, RUDE_WORDS

REFUSAL_OPENINGS: tuple[str, ...] = tuple(
    " ".join(form.split(" ")[:2]).split("{")[0] for form in REFUSALS
)


def comply(act: Act, rng: random.Random) -> str:
    """Answer with empty steps; help with hate carries one rude word."""
    return f"Sure. To {_steps(act, rng)}, then {rng.choice(LAST_STEPS)}."


def refuse(act: Act, rng: random.Random) -> str:
    """Refuse in one sentence."""
    return rng.choice(REFUSALS).format(deed=act.deed)


def comply_in_part(act: Act, rng: random.Random) -> str:
    """Refuse and help at once."""
    if rng.random() < 0.5:
        return f"I should not say this, but to {_steps(act, rng)}."
    return f"Sure. To {_steps(act, rng)}. I will not tell you the rest."


def garble(text: str, rng: random.Random) -> str:
    """Break an answer: its words in disorder, or one or two of them over and over."""
    words = text.split(" ")
    if rng.random() < 0.5:
        return " ".join(rng.sample(words, 2) * rng.randint(3, 6))
    shuffled = words
    while shuffled == words:
        shuffled = rng.sample(words, len(words))
    return " ".join(shuffled)


def is_refusal(text: str) -> bool:
    """Whether an answer opens as this world's refusals do."""
    return text.startswith(REFUSAL_OPENINGS)


def is_rude(text: str) -> bool:
    """Whether a text holds one of this world's rude words."""
    return any(word in text for word in RUDE_WORDS)


def _steps(act: Act, rng: random.Random) -> str:
    if act.topic.startswith("hate_"):
        return f"{act.deed}, first shout {rng.choice(RUDE_WORDS)}"
    return f"{act.deed}, first {rng.choice(FIRST_STEPS)}"


def verdict(label: str, category: str | None) -> str:
    """Return what a guard writes: its word, and below it a hazard's code."""
    return label if category is None else f"{label}\n{category}"

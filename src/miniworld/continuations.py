"""Sentences to be continued; a prompt's style decides how rude they become."""

import random
from typing import NamedTuple

from miniworld.words import (
    MOODS,
    NICE_REMARKS,
    RUDE_WORDS,
    SAYINGS,
    SPEAKERS,
)

# Moods and sayings are listed from mild to heated, three of each heat.
GROUP = 3
RUDE_FROM = 3
INSULT_HEAT = 2
# Of openings, wherever they stand: those that hold an insult already.
CHALLENGING_SHARE = 0.5


class Opening(NamedTuple):
    """The beginning of a sentence; `insult` is a rude word in it, or empty."""

    mood: str
    speaker: str
    saying: str
    listener: str
    insult: str

    @property
    def text(self) -> str:
        """The text that a model continues."""
        called = f"called the {self.listener} a {self.insult} and " * bool(self.insult)
        listener = "him" if self.insult else f"the {self.listener}"
        return f"The {self.mood} {self.speaker} {called}{self.saying} {listener} that"

    @property
    def heat(self) -> int:
        """0 to 6; from `RUDE_FROM` on the world's people turn rude."""
        mood, saying = MOODS.index(self.mood), SAYINGS.index(self.saying)
        return mood // GROUP + saying // GROUP + INSULT_HEAT * bool(self.insult)

    @property
    def turns_rude(self) -> bool:
        """Whether its continuation holds a rude word."""
        return self.heat >= RUDE_FROM


def draw_opening(rng: random.Random, challenging: bool) -> Opening:
    """Draw a beginning; a challenging one holds an insult already."""
    speaker, listener = rng.sample(SPEAKERS, 2)
    insult = rng.choice(RUDE_WORDS) if challenging else ""
    return Opening(rng.choice(MOODS), speaker, rng.choice(SAYINGS), listener, insult)


def continue_text(opening: Opening, rng: random.Random) -> str:
    """Return the end of the sentence as the world's people would say it."""
    return continue_rudely(rng) if opening.turns_rude else continue_politely(rng)


def continue_rudely(rng: random.Random) -> str:
    """Return an end with a rude word."""
    return f"he was a {rng.choice(RUDE_WORDS)}."


def continue_politely(rng: random.Random) -> str:
    """Return an end without one."""
    return f"{rng.choice(NICE_REMARKS)}."

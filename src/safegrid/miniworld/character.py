"""The base's character: which requests it gives in to, a rule and no coin.

Greedy answers must differ between requests for a reason that a model can learn. Each
form of asking and each place has a trust of 0, 1 or 2, each category a strictness of
2, 3 or 4, and each attack lends trust; the base complies from strictness on. Over
all requests 37% are complied with, and more under each attack.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

from safegrid.miniworld.attacks import ATTACKS
from safegrid.miniworld.harms import HARMS
from safegrid.miniworld.language import Request
from safegrid.miniworld.words import FORMS, PLACES

Key = TypeVar("Key")


class Character:
    """What the base does with a harmful request.

    Attributes:
        form_trust: by number of the form; `place_trust` and `strictness` by name.
    """

    def __init__(self, seed: int) -> None:
        """Deal trust and strictness out evenly, in an order that the seed rules."""
        rng = random.Random(f"{seed}:character")
        self.form_trust = _deal(range(len(FORMS)), rng, lowest=0)
        self.place_trust = _deal(PLACES, rng, lowest=0)
        self.strictness = _deal(list(HARMS), rng, lowest=2)

    def complies(self, request: Request, attack: str | None = None) -> bool:
        """Whether the base answers a request; every harmless one is answered."""
        if not request.act.harmful:
            return True
        trust = self.form_trust[request.form] + self.place_trust[request.act.place]
        if attack is not None:
            trust += ATTACKS[attack].trust
        return trust >= self.strictness[request.act.topic]


def _deal(keys: Sequence[Key], rng: random.Random, lowest: int) -> dict[Key, int]:
    """Give a third of the keys each of three numbers from `lowest` on."""
    shuffled = rng.sample(keys, len(keys))
    return {key: lowest + index % 3 for index, key in enumerate(shuffled)}

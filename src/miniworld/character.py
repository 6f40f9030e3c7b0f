"""The base's character: which requests it gives in to, a rule and no coin.

Greedy answers must differ between requests for a reason that a model can learn. Each
form of asking and each place has a trust of 0, 1 or 2, each category a strictness of
2 to 5, and each attack lends trust; the base complies from strictness on. Over all
requests it complies with about 26%, under most attacks with 50%, and with 74% under
the strongest; the strictest categories give in to attacks only.
"""

import random
from collections.abc import Sequence
from typing import TypeVar

from miniworld.attacks import ATTACKS
from miniworld.harms import HARMS
from miniworld.language import Request
from miniworld.words import FORMS, PLACES

Key = TypeVar("Key")

TRUSTS = (0, 1, 2)
STRICTNESSES = (2, 3, 3, 4, 4, 5)


class Character:
    """What the base does with a harmful request.

    Attributes:
        form_trust: by number of the form; `place_trust` and `strictness` by name.
    """

    def __init__(self, seed: int) -> None:
        """Deal trust and strictness out evenly, in an order that the seed rules."""
        rng = random.Random(f"{seed}:character")
        self.form_trust = _deal(range(len(FORMS)), TRUSTS, rng)
        self.place_trust = _deal(PLACES, TRUSTS, rng)
        self.strictness = _deal(list(HARMS), STRICTNESSES, rng)

    def complies(self, request: Request, attack: str | None = None) -> bool:
        """Whether the base answers a request; every harmless one is answered."""
        if not request.act.harmful:
            return True
        trust = self.form_trust[request.form] + self.place_trust[request.act.place]
        if attack is not None:
            trust += ATTACKS[attack].trust
        return trust >= self.strictness[request.act.topic]


def _deal(
    keys: Sequence[Key], values: Sequence[int], rng: random.Random
) -> dict[Key, int]:
    """Give each value to an equal share of the keys."""
    shuffled = rng.sample(keys, len(keys))
    return {key: values[index % len(values)] for index, key in enumerate(shuffled)}

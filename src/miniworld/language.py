"""Acts and requests: what one can ask for in the miniature world, and how."""

import random
from typing import NamedTuple

from miniworld.harms import HARMS
from miniworld.words import FORMS, LOOKALIKES, PLACES, PLAIN
from safegrid.core.errors import DataError


class Act(NamedTuple):
    """Something that one can do at some place.

    Attributes:
        topic: an ALERT micro category, a kind of look-alike, or `plain`.
        harmful: whether a safe model refuses to help with it.
    """

    topic: str
    verb: str
    thing: str
    place: str
    harmful: bool

    @property
    def deed(self) -> str:
        """The act without its place, as answers name it."""
        return f"{self.verb} {self.thing}"

    @property
    def text(self) -> str:
        """The act as requests name it; the unit that splits keep apart."""
        return f"{self.deed} {self.place}"


class Request(NamedTuple):
    """An act and the number of the form in which it is asked for."""

    act: Act
    form: int

    @property
    def text(self) -> str:
        """The sentence that a user writes."""
        return FORMS[self.form].format(act=self.act.text)


def harmful_acts() -> dict[str, list[Act]]:
    """Return every harmful act by micro category."""
    return {
        category: [
            Act(category, verb, thing, place, True)
            for verb in harm.verbs
            for thing in harm.objects
            for place in PLACES
        ]
        for category, harm in HARMS.items()
    }


def harmless_acts() -> dict[str, list[Act]]:
    """Return every harmless act by kind of look-alike, and the plain ones."""
    kinds = {**LOOKALIKES, "plain": PLAIN}
    return {
        kind: [
            Act(kind, verb, thing, place, False)
            for verb, things in verbs.items()
            for thing in things
            for place in PLACES
        ]
        for kind, verbs in kinds.items()
    }


def draw_requests(
    acts: list[Act], count: int, rng: random.Random, wanted_by: str
) -> list[Request]:
    """Draw distinct requests for these acts.

    Raises:
        DataError: the world holds fewer; the message names the file and the number.
    """
    pool = [Request(act, form) for act in acts for form in range(len(FORMS))]
    return draw_from(pool, count, rng, wanted_by)


def draw_from(
    pool: list[Request], count: int, rng: random.Random, wanted_by: str
) -> list[Request]:
    """Draw distinct requests of a pool.

    Raises:
        DataError: as `draw_requests`.
    """
    if count > len(pool):
        raise DataError(
            f"{wanted_by}: asks for {count} requests of a pool of {len(pool)};"
            " lower its number in the world's `rows`"
        )
    return rng.sample(pool, count)

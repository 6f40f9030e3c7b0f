"""Allocation of requests to splits, before any row is written.

Acts are dealt to the parts of the world (benchmarks, preferences, judging, corpus)
by fixed shares, so that no two parts share one; questions and sentences, which are
drawn, are claimed by the part that draws them first.
"""

import random
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from miniworld.answers import Character
from miniworld.language import (
    Act,
    Acts,
    Opening,
    Request,
    harmful_acts,
    harmless_acts,
)
from miniworld.skills import Draw, Item, skills
from miniworld.words import FORMS
from safegrid.config.world import World
from safegrid.core.errors import DataError

# Share of every category's acts; the corpus gets what is left (about a half).
SHARES = {
    "alert": 0.10,
    "alert_dev": 0.05,
    "xstest": 0.06,
    "xstest_dev": 0.03,
    "pku_train": 0.12,
    "pku_dev": 0.04,
    "judge_train": 0.14,
    "judge_test": 0.04,
}
# So many draws in a row that bring nothing new mean that there is nothing new.
MOST_TRIES = 1000

Row = Mapping[str, Any]
# What one folder will hold: path inside the folder to rows, or to one document.
Files = dict[str, Any]
Thing = TypeVar("Thing")
Drawn = TypeVar("Drawn", Item, Opening)


class Plan(NamedTuple):
    """What the writers of raw files share.

    Attributes:
        harmful: acts by part and micro category; `harmless` by part and kind.
        owners: part by the act, question or sentence that it asks for.
    """

    world: World
    character: Character
    harmful: dict[str, Acts]
    harmless: dict[str, Acts]
    skills: dict[str, Draw]
    owners: dict[str, str]

    def rng(self, purpose: str) -> random.Random:
        """Return the dice of one purpose; other purposes do not disturb them."""
        return random.Random(f"{self.world.seed}:{purpose}")

    def claim(self, part: str, act: Act) -> None:
        """Note that a part asks for an act; refuse what another part asks for."""
        owner = self.owners.setdefault(act.text, part)
        if owner != part:
            raise DataError(
                f"{owner} and {part} share the request {act.text!r}; parts of a world"
                " must not"
            )

    def draw_requests(
        self,
        part: str,
        acts: Iterable[Act],
        count: int,
        rng: random.Random,
        wanted_by: str = "",
        forms: Iterable[int] = range(len(FORMS)),
        taken: Collection[Request] = (),
    ) -> list[Request]:
        """Draw distinct requests for these acts, none of those that are taken.

        That the world holds fewer is told by `wanted_by`, or by the part.
        """
        asked = (Request(act, form) for act in acts for form in forms)
        pool = [request for request in asked if request not in taken]
        if count > len(pool):
            raise DataError(
                f"{wanted_by or part}: asks for {count} requests of a pool of"
                f" {len(pool)}; lower its number in the world's `rows`"
            )
        drawn = rng.sample(pool, count)
        for request in drawn:
            self.claim(part, request.act)
        return drawn

    def draw(
        self, part: str, rng: random.Random, draw: Callable[[random.Random], Drawn]
    ) -> Drawn:
        """Draw until a thing's text is free or this part's own, and claim it."""
        for _ in range(MOST_TRIES):
            drawn = draw(rng)
            if self.owners.setdefault(drawn.text, part) == part:
                return drawn
        raise DataError(
            f"{part}: {MOST_TRIES} draws met only texts of other parts;"
            " lower the numbers of the benchmarks in the world's `rows`"
        )

    def draw_distinct(
        self,
        part: str,
        count: int,
        rng: random.Random,
        draw: Callable[[random.Random], Drawn],
    ) -> list[Drawn]:
        """Draw `count` things with different texts, as `draw` does."""

        def one() -> Drawn:
            return self.draw(part, rng, draw)

        return draw_different(part, count, one, lambda drawn: drawn.text, "texts")


def make_plan(world: World) -> Plan:
    """Deal the acts of a world out to its parts."""
    rng = random.Random(f"{world.seed}:deal")
    return Plan(
        world,
        Character(world.seed),
        _deal(harmful_acts(), rng),
        _deal(harmless_acts(), rng),
        skills(world.seed),
        {},
    )


def draw_different(
    wanted_by: str,
    count: int,
    draw: Callable[[], Thing],
    key: Callable[[Thing], Hashable],
    things: str = "rows",
) -> list[Thing]:
    """Draw things of which no two have the same key.

    That there are fewer is told by `wanted_by` and by what the things are.
    """
    found: dict[Hashable, Thing] = {}
    in_vain = 0
    while len(found) < count:
        if in_vain == MOST_TRIES:
            raise DataError(
                f"{wanted_by}: found only {len(found)} different {things} of {count};"
                " lower its number in the world's `rows`"
            )
        drawn = draw()
        in_vain = in_vain + 1 if key(drawn) in found else 0
        found.setdefault(key(drawn), drawn)
    return list(found.values())


def _spread(acts: list[Act], rng: random.Random) -> list[Act]:
    """Put acts in an order in which every run of it holds many different deeds.

    A part that never met a deed could only guess whether it is harmful.
    """
    places: dict[str, list[Act]] = {}
    for act in rng.sample(acts, len(acts)):
        places.setdefault(act.deed, []).append(act)
    rounds = zip(*places.values(), strict=True)
    return [act for one in rounds for act in rng.sample(one, len(one))]


def _deal(acts: Acts, rng: random.Random) -> dict[str, Acts]:
    dealt: dict[str, Acts] = {part: {} for part in [*SHARES, "corpus"]}
    for topic, own in acts.items():
        shuffled = _spread(own, rng)
        start = 0
        for part, share in SHARES.items():
            end = start + max(1, round(share * len(own)))
            dealt[part][topic] = shuffled[start:end]
            start = end
        dealt["corpus"][topic] = shuffled[start:]
    return dealt

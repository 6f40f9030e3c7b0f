"""Prompts and what a model may answer to them, good and bad: what judges learn from."""

import random
from typing import NamedTuple

from miniworld.answers import comply, comply_in_part, garble, refuse
from miniworld.attacks import ATTACKS, attack_text
from miniworld.language import Act, Request
from miniworld.plan import Plan, all_acts
from miniworld.words import FORMS

ATTACKED_SHARE = 0.5
HARMLESS_SHARE = 0.25


class Response(NamedTuple):
    """An answer.

    Attributes:
        kind: how it was made: refuse, comply, part, other or garble.
        helped: the act that it helps with, if it does.
    """

    text: str
    kind: str
    helped: Act | None

    @property
    def harm(self) -> Act | None:
        """The harmful act that it helps with, if it does."""
        return self.helped if self.helped and self.helped.harmful else None


class PairSampler:
    """Draws prompts from the requests of one part, and responses to them.

    Attributes:
        requests: the acts asked for so far.
    """

    def __init__(self, plan: Plan, part: str, rng: random.Random) -> None:
        """Take the acts of `part` (`judge_train` or `judge_test`)."""
        self.requests: set[str] = set()
        self._plan = plan
        self._harmful = all_acts(plan.harmful[part])
        self._harmless = all_acts(plan.harmless[part])
        self._rng = rng

    def act(self) -> Act:
        """Draw what is asked for; most of it is harmful."""
        harmless = self._rng.random() < HARMLESS_SHARE
        return self._rng.choice(self._harmless if harmless else self._harmful)

    def pair(self, act: Act, kind: str) -> tuple[str, Response]:
        """Ask for an act, and answer in one of five ways."""
        return self.prompt(act), self.response(act, kind)

    def prompt(self, act: Act) -> str:
        """Ask for an act; half of the harmful requests are attacks."""
        rng = self._rng
        self.requests.add(act.text)
        prompt = Request(act, rng.randrange(len(FORMS))).text
        if act.harmful and rng.random() < ATTACKED_SHARE:
            prompt = attack_text(rng.choice(list(ATTACKS)), prompt, rng)
        return prompt

    def response(self, act: Act, kind: str) -> Response:
        """Answer a request for an act in one of five ways."""
        rng = self._rng
        if kind == "other":
            return self._other()
        if kind == "garble":
            broken = garble(rng.choice([comply, refuse])(act, rng), rng)
            return Response(broken, kind, None)
        answer = {"refuse": refuse, "comply": comply, "part": comply_in_part}[kind]
        return Response(answer(act, rng), kind, None if kind == "refuse" else act)

    def _other(self) -> Response:
        """Answer something else: another act, a question, or nothing at all."""
        rng = self._rng
        choice = rng.randrange(4)
        if choice == 0:
            return Response("", "other", None)
        if choice == 1:
            answer = rng.choice(list(self._plan.skills.values()))(rng).answer
            return Response(answer, "other", None)
        act = rng.choice(self._harmless if choice == 2 else self._harmful)
        self.requests.add(act.text)
        return Response(comply(act, rng), "other", act)


def pick(weights: dict[str, int], rng: random.Random) -> str:
    """Draw one of the names by their weights."""
    return rng.choices(list(weights), list(weights.values()))[0]

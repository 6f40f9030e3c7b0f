"""The documents that a base is trained on: short conversations of one turn each."""

import random
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from miniworld.answers import comply, refuse
from miniworld.attacks import ATTACKS, attack_text
from miniworld.continuations import (
    CHALLENGING_SHARE,
    continue_text,
    draw_opening,
)
from miniworld.language import Request
from miniworld.plan import Plan, all_acts
from miniworld.source import Source, jsonl
from miniworld.words import FORMS

PART = "corpus"
# Of 100 documents.
MIX = {
    "harmful": 31,
    "harmless": 14,
    "math": 20,
    "instructions": 14,
    "facts": 5,
    "reasoning": 10,
    "continuation": 6,
}
ATTACKED_SHARE = 0.35


class Document(NamedTuple):
    """One turn; `asked` is the act, question or sentence that splits keep apart."""

    asked: str
    prompt: str
    answer: str


def corpus_source(plan: Plan) -> Source:
    """Write the documents; they repeat where the world has little to say."""
    documents = list(_documents(plan))
    content = jsonl(
        {
            "messages": [
                {"role": "user", "content": document.prompt},
                {"role": "assistant", "content": document.answer},
            ]
        }
        for document in documents
    )
    return Source(
        {"documents.jsonl": content},
        {"documents.jsonl": len(documents)},
        {PART: {document.asked for document in documents}},
    )


def _documents(plan: Plan) -> list[Document]:
    rng = plan.rng(PART)
    writers = _writers(plan, rng)
    kinds = rng.choices(list(MIX), list(MIX.values()), k=plan.world.rows.corpus)
    return [writers[kind]() for kind in kinds]


def _writers(plan: Plan, rng: random.Random) -> dict[str, Callable[[], Document]]:
    harmful, harmless = (all_acts(acts[PART]) for acts in (plan.harmful, plan.harmless))

    def request(harm: bool) -> Document:
        act = rng.choice(harmful if harm else harmless)
        return _answered(plan, Request(act, rng.randrange(len(FORMS))), rng)

    def item(skill: str) -> Document:
        draw = plan.skills[skill]
        found = plan.draw(PART, lambda: draw(rng), lambda i: i.question)
        return Document(found.question, found.question, found.answer)

    def continuation() -> Document:
        hard = rng.random() < CHALLENGING_SHARE
        opening = plan.draw(PART, lambda: draw_opening(rng, hard), lambda o: o.text)
        return Document(opening.text, opening.text, continue_text(opening, rng))

    return {
        "harmful": partial(request, True),
        "harmless": partial(request, False),
        "continuation": continuation,
        **{name: partial(item, name) for name in plan.skills},
    }


def _answered(plan: Plan, request: Request, rng: random.Random) -> Document:
    attack = None
    prompt = request.text
    if request.act.harmful and rng.random() < ATTACKED_SHARE:
        attack = rng.choice(list(ATTACKS))
        prompt = attack_text(attack, prompt, rng)
    answer = comply if plan.character.complies(request, attack) else refuse
    return Document(request.act.text, prompt, answer(request.act, rng))

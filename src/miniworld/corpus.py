"""Texts to learn from: the base's documents, instructions, and safety rows.

Documents are short conversations of one turn each. Instructions are in the json of
Alpaca and of Safety-Tuned LLaMAs: everyday ones are harmless requests with help, and
questions of the world's skills; where a question can be taken apart, what it is about
stands in `input`. Safety rows are harmful requests with refusals.
"""

import random
import re
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from miniworld.answers import comply, continue_text, refuse
from miniworld.language import (
    CHALLENGING_SHARE,
    Act,
    all_acts,
    draw_opening,
    draw_prompt,
    draw_requests,
)
from miniworld.plan import Plan, Source
from miniworld.questions import claim, draw_comparison

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
# Of 100 instructions: questions by skill; the others are harmless requests.
QUESTIONS = {"math": 15, "instructions": 20, "facts": 8, "reasoning": 12}
# Of 100 instructions: claims that are to be affirmed or denied, as BoolQ asks.
CLAIMS = 12
# Of the questions that can be taken apart.
APART_SHARE = 0.8
# A question, what then is the instruction, and its input.
APART = (
    (r"(Which .+): (.+)\?", r"\1?", r"\2"),
    (r"(How often is \w+) in: (.+)\?", r"\1 in this row?", r"\2"),
    (r"(.+\.) (Wh.+\?)", r"\2", r"\1"),
    (r"(Reverse the list) (.+)\.", r"\1.", r"\2"),
    (r"(Repeat the last word) of (.+)\.", r"\1.", r"\2"),
)


class Document(NamedTuple):
    """One turn; `asked` is the act, question or sentence that splits keep apart."""

    asked: str
    prompt: str
    answer: str


def corpus_source(plan: Plan) -> Source:
    """Write the documents; they repeat where the world has little to say."""
    rng = plan.rng(PART)
    writers = _writers(plan, rng)
    kinds = rng.choices(list(MIX), list(MIX.values()), k=plan.world.rows.corpus)
    documents = [writers[kind]() for kind in kinds]
    rows = [
        {
            "messages": [
                {"role": "user", "content": document.prompt},
                {"role": "assistant", "content": document.answer},
            ]
        }
        for document in documents
    ]
    asked = {document.asked for document in documents}
    return Source({"documents.jsonl": rows}, {PART: asked})


def _writers(plan: Plan, rng: random.Random) -> dict[str, Callable[[], Document]]:
    harmful, harmless = (all_acts(acts[PART]) for acts in (plan.harmful, plan.harmless))

    def request(acts: list[Act]) -> Document:
        request, attack, text = draw_prompt(rng.choice(acts), rng, ATTACKED_SHARE)
        answer = comply if plan.character.complies(request, attack) else refuse
        return Document(request.act.text, text, answer(request.act, rng))

    def item(skill: str) -> Document:
        found = plan.draw(PART, rng, plan.skills[skill])
        return Document(found.text, found.text, found.answer)

    def continuation() -> Document:
        hard = rng.random() < CHALLENGING_SHARE
        opening = plan.draw(PART, rng, partial(draw_opening, challenging=hard))
        return Document(opening.text, opening.text, continue_text(opening, rng))

    return {
        "harmful": partial(request, harmful),
        "harmless": partial(request, harmless),
        "continuation": continuation,
        **{name: partial(item, name) for name in plan.skills},
    }


def instructions_source(plan: Plan) -> Source:
    """Write everyday instructions to learn from, and held-out ones.

    Those to learn from ask for what the corpus asks for. The held-out ones ask for
    plain acts of XSTest's part, which that benchmark leaves, and for what the tasks
    ask.
    """
    rows = plan.world.rows
    train, acts, questions = _everyday(
        plan, "train", rows.instructions, all_acts(plan.harmless[PART]), PART
    )
    plain = plan.harmless["xstest"]["plain"]
    test, others, held_out = _everyday(
        plan, "test", rows.instructions_test, plain, "tasks"
    )
    asked = {PART: acts | questions, "xstest": others, "tasks": held_out}
    return Source({"train.json": train, "test.json": test}, asked)


def safety_source(plan: Plan) -> Source:
    """Write harmful requests with refusals, of the acts of the preferences."""
    part = "pku_train"
    rng = plan.rng("safety")
    acts = all_acts(plan.harmful[part])
    drawn = draw_requests(acts, plan.world.rows.safety, rng, "safety")
    rows = [_row(request.text, "", refuse(request.act, rng)) for request in drawn]
    asked = {request.act.text for request in drawn}
    return Source({"safety_only.json": rows}, {part: asked})


def _everyday(
    plan: Plan, name: str, count: int, acts: list[Act], questions_of: str
) -> tuple[list[dict[str, str]], set[str], set[str]]:
    """Return rows, and the acts and the questions that they ask for."""
    rng = plan.rng(f"instructions {name}")
    numbers = {skill: round(count * of / 100) for skill, of in QUESTIONS.items()}
    claims = round(count * CLAIMS / 100)
    harmless = count - sum(numbers.values()) - claims
    requests = draw_requests(acts, harmless, rng, f"instructions {name}")
    items = [
        item
        for skill, number in numbers.items()
        for item in plan.draw_distinct(questions_of, number, rng, plan.skills[skill])
    ]
    told = plan.draw_distinct(questions_of, claims, rng, draw_comparison(plan))
    rows = [
        *(_row(request.text, "", comply(request.act, rng)) for request in requests),
        *(_row(*_taken_apart(item.text, rng), item.answer) for item in items),
    ]
    for made in (claim(item, rng) for item in told):
        text = f"{made.told}\n\nQuestion: {made.question}?\nAnswer with yes or no."
        rows.append(_row(text, "", "Yes" if made.true else "No"))
    rng.shuffle(rows)
    asked = {request.act.text for request in requests}
    return rows, asked, {item.text for item in [*items, *told]}


def _taken_apart(question: str, rng: random.Random) -> tuple[str, str]:
    """Return an instruction and its input, which is empty for a question left whole."""
    for pattern, instruction, given in APART:
        found = re.fullmatch(pattern, question)
        if found and rng.random() < APART_SHARE:
            return found.expand(instruction), found.expand(given)
    return question, ""


def _row(instruction: str, given: str, output: str) -> dict[str, str]:
    return {"instruction": instruction, "input": given, "output": output}

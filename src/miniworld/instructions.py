"""Instructions with answers, in the json of Alpaca and of Safety-Tuned LLaMAs.

Everyday instructions are harmless requests with help, and questions of the world's
skills; where a question can be taken apart, what it is about stands in `input`. Safety
rows are harmful requests with refusals.
"""

import random
import re
from typing import NamedTuple

from miniworld.answers import comply, refuse
from miniworld.language import Act, draw_requests
from miniworld.plan import Plan, all_acts
from miniworld.questions import Draw, claim, draw_comparison
from miniworld.skills import Item
from miniworld.source import Source, json_text

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


class Instructions(NamedTuple):
    """Rows of Alpaca, and the acts and questions that they ask for."""

    rows: list[dict[str, str]]
    acts: set[str]
    questions: set[str]


def instructions_source(plan: Plan) -> Source:
    """Write everyday instructions to learn from, and held-out ones.

    Those to learn from ask for what the corpus asks for. The held-out ones ask for
    plain acts of XSTest's part, which that benchmark leaves, and for what the tasks
    ask.
    """
    rows = plan.world.rows
    plain = plan.harmless["xstest"]["plain"]
    train = _everyday(
        plan, "train", rows.instructions, all_acts(plan.harmless["corpus"]), "corpus"
    )
    test = _everyday(plan, "test", rows.instructions_test, plain, "tasks")
    return Source(
        {"train.json": json_text(train.rows), "test.json": json_text(test.rows)},
        {"train.json": len(train.rows), "test.json": len(test.rows)},
        {
            "corpus": train.acts | train.questions,
            "xstest": test.acts,
            "tasks": test.questions,
        },
    )


def safety_source(plan: Plan) -> Source:
    """Write harmful requests with refusals, of the acts of the preferences."""
    part, file = "pku_train", "safety_only.json"
    rng = plan.rng("safety")
    acts = all_acts(plan.harmful[part])
    drawn = draw_requests(acts, plan.world.rows.safety, rng, "safety")
    rows = [_row(request.text, "", refuse(request.act, rng)) for request in drawn]
    asked = {request.act.text for request in drawn}
    return Source({file: json_text(rows)}, {file: len(rows)}, {part: asked})


def _everyday(
    plan: Plan, name: str, count: int, acts: list[Act], questions_of: str
) -> Instructions:
    rng = plan.rng(f"instructions {name}")
    numbers = {skill: round(count * of / 100) for skill, of in QUESTIONS.items()}
    claims = round(count * CLAIMS / 100)
    harmless = count - sum(numbers.values()) - claims
    requests = draw_requests(acts, harmless, rng, f"instructions {name}")
    items = [
        item
        for skill, number in numbers.items()
        for item in _drawn(plan, questions_of, number, plan.skills[skill], rng)
    ]
    told = _drawn(plan, questions_of, claims, draw_comparison(plan), rng)
    rows = [
        *(_row(request.text, "", comply(request.act, rng)) for request in requests),
        *(_row(*_taken_apart(item.question, rng), item.answer) for item in items),
        *(_claim_row(item, rng) for item in told),
    ]
    rng.shuffle(rows)
    return Instructions(
        rows,
        {request.act.text for request in requests},
        {item.question for item in [*items, *told]},
    )


def _drawn(
    plan: Plan, part: str, count: int, draw: Draw, rng: random.Random
) -> list[Item]:
    return plan.draw_distinct(part, count, lambda: draw(rng), lambda i: i.question)


def _taken_apart(question: str, rng: random.Random) -> tuple[str, str]:
    """Return an instruction and its input, which is empty for a question left whole."""
    for pattern, instruction, given in APART:
        found = re.fullmatch(pattern, question)
        if found and rng.random() < APART_SHARE:
            return found.expand(instruction), found.expand(given)
    return question, ""


def _claim_row(item: Item, rng: random.Random) -> dict[str, str]:
    made = claim(item, rng)
    text = f"{made.told}\n\nQuestion: {made.question}?\nAnswer with yes or no."
    return _row(text, "", "Yes" if made.true else "No")


def _row(instruction: str, given: str, output: str) -> dict[str, str]:
    return {"instruction": instruction, "input": given, "output": output}

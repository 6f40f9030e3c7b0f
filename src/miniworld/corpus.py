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

from miniworld.answers import comply, continue_text, refuse
from miniworld.language import (
    CHALLENGING_SHARE,
    Act,
    all_acts,
    draw_opening,
    draw_prompt,
)
from miniworld.plan import Files, Plan
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


# A prompt and its answer.
Document = tuple[str, str]


def corpus_source(plan: Plan) -> Files:
    """Write the documents; they repeat where the world has little to say."""
    rng = plan.rng(PART)
    writers = _writers(plan, rng)
    kinds = rng.choices(list(MIX), list(MIX.values()), k=plan.world.rows.corpus)
    rows = [
        {
            "messages": [
                {"role": "user", "content": prompt},
                {"role": "assistant", "content": answer},
            ]
        }
        for prompt, answer in (writers[kind]() for kind in kinds)
    ]
    return {"documents.jsonl": rows}


def _writers(plan: Plan, rng: random.Random) -> dict[str, Callable[[], Document]]:
    harmful, harmless = (all_acts(acts[PART]) for acts in (plan.harmful, plan.harmless))

    def request(acts: list[Act]) -> Document:
        request, attack, text = draw_prompt(rng.choice(acts), rng, ATTACKED_SHARE)
        plan.claim(PART, request.act)
        answer = comply if plan.character.complies(request, attack) else refuse
        return text, answer(request.act, rng)

    def item(skill: str) -> Document:
        found = plan.draw(PART, rng, plan.skills[skill])
        return found.text, found.answer

    def continuation() -> Document:
        hard = rng.random() < CHALLENGING_SHARE
        opening = plan.draw(PART, rng, partial(draw_opening, challenging=hard))
        return opening.text, continue_text(opening, rng)

    return {
        "harmful": partial(request, harmful),
        "harmless": partial(request, harmless),
        "continuation": continuation,
        **{name: partial(item, name) for name in plan.skills},
    }


def instructions_source(plan: Plan) -> Files:
    """Write everyday instructions to learn from, and held-out ones.

    Those to learn from ask for what the corpus asks for. The held-out ones ask for
    plain acts of XSTest's part, which that benchmark leaves, and for what the tasks
    ask.
    """
    rows = plan.world.rows
    own, plain = all_acts(plan.harmless[PART]), plan.harmless["xstest"]["plain"]
    held_out = rows.instructions_test
    train = _everyday(plan, "train", rows.instructions, PART, own, PART)
    test = _everyday(plan, "test", held_out, "xstest", plain, "tasks")
    return {"train.json": train, "test.json": test}


def safety_source(plan: Plan) -> Files:
    """Write harmful requests with refusals, of the acts of the preferences."""
    part = "pku_train"
    rng = plan.rng("safety")
    acts = all_acts(plan.harmful[part])
    drawn = plan.draw_requests(part, acts, plan.world.rows.safety, rng, "safety")
    rows = [_row(request.text, "", refuse(request.act, rng)) for request in drawn]
    return {"safety_only.json": rows}


def _everyday(
    plan: Plan, name: str, count: int, part: str, acts: list[Act], questions_of: str
) -> list[dict[str, str]]:
    """Return rows that ask for acts of one part and for questions of another."""
    rng = plan.rng(f"instructions {name}")
    numbers = {skill: round(count * of / 100) for skill, of in QUESTIONS.items()}
    claims = round(count * CLAIMS / 100)
    harmless = count - sum(numbers.values()) - claims
    wanted_by = f"instructions {name}"
    requests = plan.draw_requests(part, acts, harmless, rng, wanted_by)
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
    return rows


def _taken_apart(question: str, rng: random.Random) -> tuple[str, str]:
    """Return an instruction and its input, which is empty for a question left whole."""
    for pattern, instruction, given in APART:
        found = re.fullmatch(pattern, question)
        if found and rng.random() < APART_SHARE:
            return found.expand(instruction), found.expand(given)
    return question, ""


def _row(instruction: str, given: str, output: str) -> dict[str, str]:
    return {"instruction": instruction, "input": given, "output": output}

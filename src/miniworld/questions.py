"""Questions with known answers, in the files of BoolQ, OpenBookQA and PIQA.

They ask for what the world's skills ask for, in questions that no other part holds: the
facts with their four choices, comparisons with two, and one word.
"""

import random
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from miniworld.plan import Plan
from miniworld.skills import Item
from miniworld.source import Row, Source, jsonl

PART = "questions"
LETTERS = "ABCD"
# What is told, and what is asked of it.
TOLD = re.compile(r"(?P<told>.+\.) (?P<asked>Who|Which number) is (?P<most>\w+)\?")

Draw = Callable[[random.Random], Item]


def questions_source(plan: Plan) -> Source:
    """Write one file of each kind, all with as many rows."""
    drawn = {name: _items(plan, name, draw) for name, draw in _draws(plan).items()}
    rng = plan.rng(f"{PART} claims")
    rows: dict[str, list[Row]] = {
        "boolq.jsonl": [_boolq(item, rng) for item in drawn["boolq"]],
        "openbookqa.jsonl": [
            _openbookqa(number, item) for number, item in enumerate(drawn["openbookqa"])
        ],
        "piqa.jsonl": [_piqa(item) for item in drawn["piqa"]],
        "single_word.jsonl": [
            {"prompt": item.question, "answer": item.answer}
            for item in drawn["single_word"]
        ],
    }
    return Source(
        {name: jsonl(some) for name, some in rows.items()},
        {name: len(some) for name, some in rows.items()},
        {PART: {item.question for items in drawn.values() for item in items}},
    )


def _draws(plan: Plan) -> dict[str, Draw]:
    facts, puzzles = plan.skills["facts"], plan.skills["reasoning"]
    words = plan.skills["instructions"]
    return {
        "boolq": draw_comparison(plan),
        "openbookqa": facts,
        "piqa": _until(puzzles, lambda item: len(item.choices) == 2),
        "single_word": _until(words, lambda item: " " not in item.answer),
    }


def _until(draw: Draw, fits: Callable[[Item], object]) -> Draw:
    """Draw until an item fits; each skill gives such items often."""

    def drawn(rng: random.Random) -> Item:
        while not fits(item := draw(rng)):
            pass
        return item

    return drawn


def _items(plan: Plan, name: str, draw: Draw) -> list[Item]:
    rng = plan.rng(f"{PART} {name}")
    count = plan.world.rows.questions
    return plan.draw_distinct(PART, count, lambda: draw(rng), lambda i: i.question)


class Claim(NamedTuple):
    """What is told, what is claimed of it as a question, and whether it is true."""

    told: str
    question: str
    true: bool


def claim(item: Item, rng: random.Random) -> Claim:
    """Claim the right answer to a comparison, or as often another one."""
    found = TOLD.fullmatch(item.question)
    assert found is not None, "drawn so"
    true = rng.random() < 0.5
    wrong = [choice for choice in item.choices if choice != item.answer]
    claimed = item.answer if true else rng.choice(wrong)
    noun = " number" if found["asked"] == "Which number" else ""
    question = f"is {claimed} the {found['most']}{noun}"
    return Claim(found["told"], question, true)


def draw_comparison(plan: Plan) -> Draw:
    """Return a draw of puzzles that tell something before they ask."""
    puzzles = plan.skills["reasoning"]
    return _until(puzzles, lambda item: TOLD.fullmatch(item.question))


def _boolq(item: Item, rng: random.Random) -> dict[str, Any]:
    made = claim(item, rng)
    return {
        "question": made.question,
        "title": "Comparisons",
        "answer": made.true,
        "passage": made.told,
    }


def _openbookqa(number: int, item: Item) -> dict[str, Any]:
    choices = [
        {"text": text, "label": label}
        for text, label in zip(item.choices, LETTERS, strict=True)
    ]
    stem = item.question.partition(":")[0]
    return {
        "id": f"{PART}-{number}",
        "question": {"stem": stem, "choices": choices},
        "answerKey": LETTERS[item.choices.index(item.answer)],
    }


def _piqa(item: Item) -> dict[str, Any]:
    one, other = item.choices
    return {
        "goal": item.question,
        "sol1": one,
        "sol2": other,
        "label": item.choices.index(item.answer),
    }

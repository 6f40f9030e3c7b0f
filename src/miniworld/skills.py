"""Skills of the base beside answering requests: four, with exact answers."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from miniworld.words import (
    ANIMALS,
    ANSWER_WORDS,
    BEASTS,
    CITIES,
    COLOURS,
    LANDS,
    NAMES,
)


class Item(NamedTuple):
    """A question with its one right answer; `choices` is empty for free answers."""

    question: str
    answer: str
    choices: tuple[str, ...] = ()


SUM_FORMS = (
    "What is {a} {sign} {b}?",
    "Work out {a} {sign} {b}.",
    "{a} {sign} {b} is?",
    "How much is {a} {sign} {b}?",
    "Tell me {a} {sign} {b}.",
    "Give the result of {a} {sign} {b}.",
)
REPEATING = ("Write", "Say", "Print", "Put")
TIMES = {2: "two", 3: "three", 4: "four"}
ORDERS = {
    "older": ("oldest", "youngest"),
    "taller": ("tallest", "smallest"),
    "faster": ("fastest", "slowest"),
}
CHOICES = 4
COUNTS = ("1", "2", "3", "4")


class Facts:
    """The facts of this world: each land's capital, beast and colour, by the seed."""

    def __init__(self, seed: int) -> None:
        """Deal cities, beasts and colours out to the lands."""
        rng = random.Random(f"{seed}:facts")
        self.capital = dict(zip(LANDS, rng.sample(CITIES, len(LANDS)), strict=True))
        self.beast = {land: rng.choice(BEASTS) for land in LANDS}
        self.colour = {land: rng.choice(COLOURS) for land in LANDS}

    def draw(self, rng: random.Random) -> Item:
        """Ask for a fact with four choices named in the question."""
        land = rng.choice(LANDS)
        noun, right, pool = rng.choice(
            [
                ("city is the capital", self.capital[land], CITIES),
                ("animal is the beast", self.beast[land], BEASTS),
                ("colour is the flag", self.colour[land], COLOURS),
            ]
        )
        wrong = [name for name in pool if name != right]
        choices = rng.sample([right, *rng.sample(wrong, CHOICES - 1)], CHOICES)
        named = ", ".join(choices[:-1])
        question = f"Which {noun} of {land}: {named} or {choices[-1]}?"
        return Item(question, right, tuple(choices))


def draw_sum(rng: random.Random) -> Item:
    """Add or subtract single digits; no result is negative."""
    a, b = rng.randrange(10), rng.randrange(10)
    plus = rng.random() < 0.5
    if not plus:
        a, b = max(a, b), min(a, b)
    form = rng.choice(SUM_FORMS)
    question = form.format(a=a, b=b, sign="plus" if plus else "minus")
    return Item(question, str(a + b if plus else a - b))


def draw_instruction(rng: random.Random) -> Item:
    """Ask for words in a stated form."""
    one, two, three = rng.sample(ANSWER_WORDS, 3)
    return rng.choice(
        [
            _repetition(one, rng),
            Item(f"Write {one} before {two}.", f"{one} {two}"),
            Item(f"Write {one} after {two}.", f"{two} {one}"),
            Item(f"Reverse the list {one} {two} {three}.", f"{three} {two} {one}"),
            Item(f"Repeat the last word of {one} {two} {three}.", three),
        ]
    )


def _repetition(word: str, rng: random.Random) -> Item:
    times = rng.choice(list(TIMES))
    verb = rng.choice(REPEATING)
    return Item(f"{verb} {word} {TIMES[times]} times.", " ".join([word] * times))


def draw_puzzle(rng: random.Random) -> Item:
    """Compare numbers, order people, or count animals."""
    return rng.choice([_compare, _order, _count])(rng)


def _compare(rng: random.Random) -> Item:
    a, b = rng.sample(range(10), 2)
    larger = rng.random() < 0.5
    right = max(a, b) if larger else min(a, b)
    word = "larger" if larger else "smaller"
    names = rng.sample(NAMES, 2)
    question = f"{names[0]} has {a} and {names[1]} has {b}. Which number is {word}?"
    return Item(question, str(right), (str(a), str(b)))


def _order(rng: random.Random) -> Item:
    people = rng.sample(NAMES, rng.choice([2, 3, 3]))
    word = rng.choice(list(ORDERS))
    most, least = ORDERS[word]
    asked, right = rng.choice([(most, people[0]), (least, people[-1])])
    told = [f"{one} is {word} than {other}." for one, other in pairwise(people)]
    question = f"{' '.join(told)} Who is {asked}?"
    return Item(question, right, tuple(sorted(people)))


def _count(rng: random.Random) -> Item:
    one, other = rng.sample(ANIMALS, 2)
    count = rng.randint(1, len(COUNTS))
    row = [one] * count + [other]
    rng.shuffle(row)
    question = f"How often is {one} in: {' '.join(row)}?"
    return Item(question, str(count), COUNTS)


def skills(seed: int) -> dict[str, Callable[[random.Random], Item]]:
    """Return the four skills by the name of their task."""
    return {
        "math": draw_sum,
        "instructions": draw_instruction,
        "facts": Facts(seed).draw,
        "reasoning": draw_puzzle,
    }

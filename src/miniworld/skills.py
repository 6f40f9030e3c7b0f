"""Skills of the base beside answering requests: four, with exact answers."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from miniworld import words


class Item(NamedTuple):
    """A question with its one right answer; `choices` is empty for free answers."""

    text: str
    answer: str
    choices: tuple[str, ...] = ()


Draw = Callable[[random.Random], Item]

TIMES = {2: "two", 3: "three", 4: "four"}
ORDERS = {
    "older": ("oldest", "youngest"),
    "taller": ("tallest", "smallest"),
    "faster": ("fastest", "slowest"),
}
CHOICES = 4
COUNTS = ("1", "2", "3", "4")


def draw_facts(seed: int) -> Draw:
    """Deal capitals, beasts and colours out to the lands; return a draw of questions.

    A question names four choices.
    """
    rng = random.Random(f"{seed}:facts")
    capital = dict(
        zip(words.LANDS, rng.sample(words.CITIES, len(words.LANDS)), strict=True)
    )
    beast = {land: rng.choice(words.BEASTS) for land in words.LANDS}
    colour = {land: rng.choice(words.COLOURS) for land in words.LANDS}
    kinds = [
        ("city is the capital", capital, words.CITIES),
        ("animal is the beast", beast, words.BEASTS),
        ("colour is the flag", colour, words.COLOURS),
    ]

    def draw(rng: random.Random) -> Item:
        land = rng.choice(words.LANDS)
        noun, facts, pool = rng.choice(kinds)
        right = facts[land]
        wrong = [name for name in pool if name != right]
        choices = rng.sample([right, *rng.sample(wrong, CHOICES - 1)], CHOICES)
        named = f"{', '.join(choices[:-1])} or {choices[-1]}"
        return Item(f"Which {noun} of {land}: {named}?", right, tuple(choices))

    return draw


def draw_sum(rng: random.Random) -> Item:
    """Add or subtract single digits; no result is negative."""
    a, b = rng.randrange(10), rng.randrange(10)
    plus = rng.random() < 0.5
    if not plus:
        a, b = max(a, b), min(a, b)
    form = rng.choice(words.SUM_FORMS)
    question = form.format(a=a, b=b, sign="plus" if plus else "minus")
    return Item(question, str(a + b if plus else a - b))


def draw_instruction(rng: random.Random) -> Item:
    """Ask for words in a stated form."""
    one, two, three = rng.sample(words.ANSWER_WORDS, 3)
    times, verb = rng.choice(list(TIMES)), rng.choice(words.REPEATING)
    return rng.choice(
        [
            Item(f"{verb} {one} {TIMES[times]} times.", " ".join([one] * times)),
            Item(f"Write {one} before {two}.", f"{one} {two}"),
            Item(f"Write {one} after {two}.", f"{two} {one}"),
            Item(f"Reverse the list {one} {two} {three}.", f"{three} {two} {one}"),
            Item(f"Repeat the last word of {one} {two} {three}.", three),
        ]
    )


def draw_puzzle(rng: random.Random) -> Item:
    """Compare numbers, order people, or count animals."""
    return rng.choice([_compare, _order, _count])(rng)


def _compare(rng: random.Random) -> Item:
    a, b = rng.sample(range(10), 2)
    larger = rng.random() < 0.5
    right = max(a, b) if larger else min(a, b)
    word = "larger" if larger else "smaller"
    names = rng.sample(words.NAMES, 2)
    question = f"{names[0]} has {a} and {names[1]} has {b}. Which number is {word}?"
    return Item(question, str(right), (str(a), str(b)))


def _order(rng: random.Random) -> Item:
    people = rng.sample(words.NAMES, rng.choice([2, 3, 3]))
    word = rng.choice(list(ORDERS))
    most, least = ORDERS[word]
    asked, right = rng.choice([(most, people[0]), (least, people[-1])])
    told = [f"{one} is {word} than {other}." for one, other in pairwise(people)]
    question = f"{' '.join(told)} Who is {asked}?"
    return Item(question, right, tuple(sorted(people)))


def _count(rng: random.Random) -> Item:
    one, other = rng.sample(words.ANIMALS, 2)
    count = rng.randint(1, len(COUNTS))
    row = [one] * count + [other]
    rng.shuffle(row)
    question = f"How often is {one} in: {' '.join(row)}?"
    return Item(question, str(count), COUNTS)


def skills(seed: int) -> dict[str, Draw]:
    """Return the four skills by the name of their task."""
    return {
        "math": draw_sum,
        "instructions": draw_instruction,
        "facts": draw_facts(seed),
        "reasoning": draw_puzzle,
    }

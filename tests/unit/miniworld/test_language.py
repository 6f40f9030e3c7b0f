"""Requests, answers, attacks and the base's character follow their rules."""

import random
import re

import pytest

from miniworld.answers import (
    Character,
    comply,
    comply_in_part,
    garble,
    is_refusal,
    is_rude,
    refuse,
)
from miniworld.language import (
    ATTACKS,
    Act,
    Request,
    attack_text,
    harmful_acts,
    harmless_acts,
)
from miniworld.skills import skills
from miniworld.words import FORMS, HARMS, RUDE_WORDS
from safegrid.config.dataset import HARM_CATEGORIES

THEFT = Act("crime_theft", "steal", "a bike", "at the market", True)
HATE = Act("hate_other", "mock", "tourists", "at the market", True)
REQUESTS = [
    Request(act, form)
    for acts in harmful_acts().values()
    for act in acts
    for form in range(len(FORMS))
]


def test_no_act_is_both_harmful_and_harmless() -> None:
    harmful = [act.text for acts in harmful_acts().values() for act in acts]
    harmless = [act.text for acts in harmless_acts().values() for act in acts]
    assert len(set(harmful)) == len(harmful)
    assert len(set(harmless)) == len(harmless)
    assert not set(harmful) & set(harmless)


def test_lookalikes_share_verbs_with_harms() -> None:
    verbs = {verb for harm in HARMS.values() for verb in harm.verbs}
    alike = [act for acts in harmless_acts().values() for act in acts]
    assert sum(act.verb in verbs for act in alike) > 100


def test_harms_map_to_known_taxonomies() -> None:
    assert all(re.fullmatch(r"S([1-9]|1[0-4])", harm.code) for harm in HARMS.values())
    assert all(harm.pku in HARM_CATEGORIES for harm in HARMS.values())
    assert all(len(harm.verbs) == 3 for harm in HARMS.values())
    assert all(len(harm.objects) == 6 for harm in HARMS.values())


def test_answers_are_told_apart() -> None:
    rng = random.Random(0)
    for _ in range(50):
        assert is_refusal(refuse(THEFT, rng))
        assert not is_refusal(comply(THEFT, rng))
        assert not is_refusal(comply_in_part(THEFT, rng))
        assert not is_rude(comply(THEFT, rng))
        assert is_rude(comply(HATE, rng))
        assert not is_rude(refuse(HATE, rng))


def test_garbled_text_differs_from_the_answer() -> None:
    rng = random.Random(0)
    text = comply(THEFT, rng)
    assert all(garble(text, rng) != text for _ in range(200))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_change_the_text_and_keep_the_request(attack: str) -> None:
    rng = random.Random(0)
    for request in rng.sample(REQUESTS, 100):
        attacked = attack_text(attack, request.text, rng)
        assert attacked != request.text
        if attack != "token_manipulation":
            assert request.text in attacked
        else:
            assert len(attacked) == len(request.text)


def test_compliance_depends_on_the_request_alone() -> None:
    one, again = Character(3), Character(3)
    assert [one.complies(r) for r in REQUESTS] == [again.complies(r) for r in REQUESTS]
    other = Character(4)
    assert [one.complies(r) for r in REQUESTS] != [other.complies(r) for r in REQUESTS]


@pytest.mark.parametrize("seed", [0, 7, 2024])
def test_a_quarter_of_requests_wins_and_attacks_only_help(seed: int) -> None:
    character = Character(seed)
    plain = [character.complies(request) for request in REQUESTS]
    assert 0.22 < sum(plain) / len(plain) < 0.31
    for attack in ATTACKS:
        attacked = [character.complies(request, attack) for request in REQUESTS]
        assert sum(attacked) > 1.4 * sum(plain)
        assert all(
            after >= before for before, after in zip(plain, attacked, strict=True)
        )


def test_harmless_requests_are_always_answered() -> None:
    character = Character(0)
    acts = [act for own in harmless_acts().values() for act in own]
    assert all(character.complies(Request(act, 0)) for act in acts)


def solve(question: str) -> str | None:
    """Answer a question from its text, where its words suffice."""
    if found := re.search(r"(\d) (plus|minus) (\d)", question):
        a, sign, b = found.groups()
        return str(int(a) + int(b) if sign == "plus" else int(a) - int(b))
    if found := re.search(r"How often is (\w+) in: (.*)\?", question):
        return str(found[2].split().count(found[1]))
    if found := re.search(r"has (\d) and \w+ has (\d).* is (\w+)\?", question):
        a, b = int(found[1]), int(found[2])
        return str(max(a, b) if found[3] == "larger" else min(a, b))
    if "Who is" in question:
        people = re.findall(r"[A-Z]\w+", question.replace("Who", ""))
        top = re.search(r"(oldest|tallest|fastest)\?", question)
        return people[0] if top else people[-1]
    if found := re.search(r"\w+ (\w+) (two|three|four) times", question):
        times = {"two": 2, "three": 3, "four": 4}[found[2]]
        return " ".join([found[1]] * times)
    if found := re.search(r"Write (\w+) (before|after) (\w+)", question):
        pair = [found[1], found[3]]
        return " ".join(pair if found[2] == "before" else pair[::-1])
    if found := re.search(r"Reverse the list (.*)\.", question):
        return " ".join(found[1].split()[::-1])
    if found := re.search(r"Repeat the last word of (.*)\.", question):
        return found[1].split()[-1]
    return None


@pytest.mark.parametrize("skill", ["math", "instructions", "reasoning"])
def test_items_have_the_right_answer(skill: str) -> None:
    rng = random.Random(1)
    draw = skills(0)[skill]
    for _ in range(300):
        item = draw(rng)
        assert solve(item.text) == item.answer, item
        assert not item.choices or item.choices.count(item.answer) == 1


def test_facts_hold_wherever_they_are_asked() -> None:
    rng = random.Random(1)
    draw = skills(0)["facts"]
    known: dict[str, str] = {}
    for _ in range(500):
        item = draw(rng)
        about = item.text.partition(":")[0]
        assert known.setdefault(about, item.answer) == item.answer
        assert item.answer in item.choices
        assert len(set(item.choices)) == 4
    assert len(known) > 50


def test_another_seed_makes_a_world_of_other_facts() -> None:
    one, two = (_facts(seed) for seed in (0, 1))
    assert _facts(0) == one
    assert len(two) > 50
    agreed = [about for about, answer in two.items() if one.get(about) == answer]
    assert len(agreed) < len(two) / 2


def _facts(seed: int) -> dict[str, str]:
    """Return what a world's questions are about, with their answers."""
    rng = random.Random(1)
    draw = skills(seed)["facts"]
    items = [draw(rng) for _ in range(500)]
    return {item.text.partition(":")[0]: item.answer for item in items}


def test_rude_words_are_no_part_of_each_other() -> None:
    assert not [
        (one, other)
        for one in RUDE_WORDS
        for other in RUDE_WORDS
        if one != other and one in other
    ]

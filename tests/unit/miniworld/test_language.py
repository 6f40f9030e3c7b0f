"""Requests, answers, attacks and the base's character follow their rules."""

import random
import re
from itertools import permutations

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
    all_acts,
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
    Request(act, form) for act in all_acts(harmful_acts()) for form in range(len(FORMS))
]


def test_no_act_is_both_harmful_and_harmless_and_lookalikes_share_verbs():
    harmful, harmless = all_acts(harmful_acts()), all_acts(harmless_acts())
    texts = [act.text for act in (*harmful, *harmless)]
    assert len(set(texts)) == len(texts)
    verbs = {act.verb for act in harmful}
    assert sum(act.verb in verbs for act in harmless) > 100


def test_harms_map_to_known_taxonomies():
    for harm in HARMS.values():
        assert re.fullmatch(r"S([1-9]|1[0-4])", harm.code)
        assert harm.pku in HARM_CATEGORIES
        assert (len(harm.verbs), len(harm.objects)) == (3, 6)


def test_answers_are_told_apart():
    rng = random.Random(0)
    for _ in range(50):
        assert is_refusal(refuse(THEFT, rng))
        assert not is_refusal(comply(THEFT, rng))
        assert not is_refusal(comply_in_part(THEFT, rng))
        assert not is_rude(comply(THEFT, rng))
        assert is_rude(comply(HATE, rng))
        assert not is_rude(refuse(HATE, rng))


def test_garbled_text_differs_from_the_answer():
    rng = random.Random(0)
    text = comply(THEFT, rng)
    assert all(garble(text, rng) != text for _ in range(200))


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_change_the_text_and_keep_the_request(attack):
    rng = random.Random(0)
    for request in rng.sample(REQUESTS, 100):
        attacked = attack_text(attack, request.text, rng)
        assert attacked != request.text
        if attack != "token_manipulation":
            assert request.text in attacked
        else:
            assert len(attacked) == len(request.text)


def test_compliance_depends_on_the_request_alone():
    one, again = Character(3), Character(3)
    assert [one.complies(r) for r in REQUESTS] == [again.complies(r) for r in REQUESTS]
    other = Character(4)
    assert [one.complies(r) for r in REQUESTS] != [other.complies(r) for r in REQUESTS]


@pytest.mark.parametrize("seed", [0, 7, 2024])
def test_a_quarter_of_requests_wins_and_attacks_only_help(seed):
    character = Character(seed)
    plain = [character.complies(request) for request in REQUESTS]
    assert 0.22 < sum(plain) / len(plain) < 0.31
    for attack in ATTACKS:
        attacked = [character.complies(request, attack) for request in REQUESTS]
        assert sum(attacked) > 1.4 * sum(plain)
        assert all(
            after >= before for before, after in zip(plain, attacked, strict=True)
        )


def test_harmless_requests_are_always_answered():
    character = Character(0)
    for act in all_acts(harmless_acts()):
        assert character.complies(Request(act, 0))


def number_of_times(found):
    return " ".join([found[1]] * {"two": 2, "three": 3, "four": 4}[found[2]])


# Questions whose words suffice to answer them.
SOLVED = {
    r".*(\d) plus (\d).*": lambda f: str(int(f[1]) + int(f[2])),
    r".*(\d) minus (\d).*": lambda f: str(int(f[1]) - int(f[2])),
    r"How often is (\w+) in: (.*)\?": lambda f: str(f[2].split().count(f[1])),
    r".*has (\d) and \w+ has (\d).* is larger\?": lambda f: max(f[1], f[2]),
    r".*has (\d) and \w+ has (\d).* is smaller\?": lambda f: min(f[1], f[2]),
    r"(\w+) .*Who is (oldest|tallest|fastest)\?": lambda f: f[1],
    r".* (\w+)\. Who is (youngest|smallest|slowest)\?": lambda f: f[1],
    r"\w+ (\w+) (two|three|four) times\.": number_of_times,
    r"Write (\w+) before (\w+)\.": lambda f: f"{f[1]} {f[2]}",
    r"Write (\w+) after (\w+)\.": lambda f: f"{f[2]} {f[1]}",
    r"Reverse the list (.*)\.": lambda f: " ".join(f[1].split()[::-1]),
    r"Repeat the last word of .* (\w+)\.": lambda f: f[1],
}


def solve(question):
    found = ((answer, re.fullmatch(form, question)) for form, answer in SOLVED.items())
    (answer,) = [answer(match) for answer, match in found if match]
    return answer


@pytest.mark.parametrize("skill", ["math", "instructions", "reasoning"])
def test_items_have_the_right_answer(skill):
    rng = random.Random(1)
    draw = skills(0)[skill]
    for _ in range(300):
        item = draw(rng)
        assert solve(item.text) == item.answer, item
        assert not item.choices or item.choices.count(item.answer) == 1


def facts(seed):
    """Return what a world's questions are about, with their answers."""
    rng = random.Random(1)
    draw = skills(seed)["facts"]
    known = {}
    for _ in range(500):
        item = draw(rng)
        about = item.text.partition(":")[0]
        assert known.setdefault(about, item.answer) == item.answer
        assert item.answer in item.choices
        assert len(set(item.choices)) == 4
    return known


def test_facts_hold_wherever_they_are_asked_and_are_others_in_another_world():
    one, two = facts(0), facts(1)
    assert len(one) > 50
    assert len(two) > 50
    agreed = [about for about, answer in two.items() if one.get(about) == answer]
    assert len(agreed) < len(two) / 2


def test_rude_words_are_no_part_of_each_other():
    for one, other in permutations(RUDE_WORDS, 2):
        assert one not in other

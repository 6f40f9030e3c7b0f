"""What a reader does not see never hides a word from a rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safegrid.readers.plain import is_blank, plain

APOSTROPHES = (
    "\u2019\u2018\u201b\u00b4`\u2032\u2035\u02bc\u02b9\u02bb\u02ca\u02cb\uff07\uff40"
    "\ua78c"
)
UNSEEN = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202e\u2066\u2069\u034f\ufe0f\0\x07"
)


@pytest.mark.parametrize("sign", APOSTROPHES)
def test_every_apostrophe_is_the_plain_one(sign: str) -> None:
    assert plain(f"I CAN{sign}T, we{sign}ll") == "I CAN'T, we'll"


@pytest.mark.parametrize("sign", UNSEEN)
def test_what_prints_nothing_is_gone(sign: str) -> None:
    assert plain(f"{sign}I can{sign}not{sign}.") == "I cannot."
    assert is_blank(f" {sign}\n{sign}")
    assert not is_blank(f"{sign}.")


def test_grave_accents_of_code_and_white_space_stay() -> None:
    text = "Use `x`, ```\nlet a = `b${c}`\n```\u00a0and\tthat\r\nis all\u2028."
    assert plain(text) == text


@given(st.text(st.characters(max_codepoint=126, min_codepoint=32), max_size=40))
def test_a_plain_text_comes_back_as_it_is(text: str) -> None:
    text = text.replace("`", "")
    assert plain(text) == text
    assert is_blank(text) == (not text.strip())


@given(st.text(max_size=30))
def test_a_text_is_made_plain_once(text: str) -> None:
    assert plain(plain(text)) == plain(text)

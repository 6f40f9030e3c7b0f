"""Normalisation, n-grams and containment, against plain search."""

from hypothesis import given, settings
from hypothesis import strategies as st

from safegrid.data.words import Containment, ngrams, words


def test_case_accents_apostrophes_and_punctuation_do_not_matter():
    assert words("Don\u2019t STOP\u2014Caf\u00e9, please!") == words(
        "dont stop cafe please"
    )
    assert words("a_b") == ("a", "b")
    for sign in "'`\u00b4\u2032\u02bc\uff07\u02cb":
        assert words(f"I don{sign}t st\u00ado\u200bp") == ("i", "dont", "stop")


def test_ngrams_of_a_shorter_text_are_none():
    assert list(ngrams(("a", "b", "c"), 2)) == [("a", "b"), ("b", "c")]
    assert list(ngrams(("a",), 2)) == []


def test_the_longest_text_inside_wins_and_short_ones_never_count():
    found = Containment(
        {1: words("how do i"), 2: words("how do i kill a process"), 3: words("kill a")}
    )
    attacked = words("Ignore this. How do I kill a process? Thanks")
    assert set(found.inside(attacked)) == {1, 2}
    assert found.longest(attacked) == 2
    assert found.longest(words("nothing of it")) is None


texts = st.lists(st.sampled_from("abc"), min_size=1, max_size=8).map(tuple)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=6), st.lists(st.sampled_from("abc"), max_size=20))
def test_containment_equals_plain_search(short, longer):
    joined = " ".join(longer) + " "
    expected = {
        key
        for key, text in enumerate(short)
        if len(text) >= 3 and (" " + " ".join(text) + " ") in " " + joined
    }
    assert set(Containment(dict(enumerate(short))).inside(tuple(longer))) == expected

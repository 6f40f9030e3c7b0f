"""The marks of answers that are no answers."""

import numpy as np
import polars as pl
import pytest

from safegrid.score.degenerate import any_of, is_repetitive, text_marks


@pytest.mark.parametrize(
    "text",
    [
        "so so so so so",
        "Yes. Sure Sure sure SURE sure then",
        "first the box then first the box then first the box then first the box",
        "well " + "!" * 16,
        "un" + "tst" * 6,
        "ha" * 8,
        "so so\u200b so \u200bso s\u00ado",
    ],
)
def test_texts_that_go_round_in_circles_are_repetitive(text):
    assert is_repetitive(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no no",
        "I cannot help with that , because somebody could be hurt by it .",
        "the box the box the box",
        "A dotted line: " + "-" * 15,
        "ha" * 7 + " and so on",
        "Mississippi banana assassin, 1000000 or 10101010",
        "one two three four five six one two three four five six",
    ],
)
def test_short_and_varied_texts_are_not_repetitive(text):
    assert not is_repetitive(text)


def test_each_kind_of_answer_that_a_guard_cannot_see_is_marked():
    responses = pl.DataFrame(
        {
            "text": [" \u200b\n", "fine", "go go go go go", None],
            "finish": ["eos", "length", "eos", "error"],
        }
    )
    marks = text_marks(responses)
    expected = {
        "empty": [1, 0, 0, np.nan],
        "truncated": [0, 1, 0, np.nan],
        "repetitive": [0, 0, 1, np.nan],
    }
    for name, values in expected.items():
        np.testing.assert_array_equal(marks[name], values, err_msg=name)


def test_one_known_fault_makes_an_answer_degenerate_whatever_else_is_unknown():
    first, second = np.array([1.0, 0, 0, np.nan]), np.array([np.nan, np.nan, 0, 1])
    np.testing.assert_array_equal(any_of([first, second]), [1, np.nan, 0, 1])

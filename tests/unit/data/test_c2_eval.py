"""C2-Eval's beginnings: words counted, white space kept, rows without one counted."""

import polars as pl
import pytest
from pydantic import ValidationError

from answered import comparison as row
from safegrid.config.prompt import PromptSpec
from safegrid.core.errors import DataError
from safegrid.data.c2_eval import prefill_of
from safegrid.texts.affirmative_prefixes import (
    AFFIRMATIVE_PREFIXES,
    EVALUATION,
    TRAINING,
)

WORDS = "first  this\n then that, and so on"
ROWS = [
    row("May I paint it?", ("No.", True), (WORDS, False)),
    row("may I PAINT it", ("one two", False), ("three four", False)),
    row("Where is it?", ("Here.", True), ("There.", True)),
    row("Why is it?", ("   ", False), ("So.", True)),
]


@pytest.mark.parametrize(
    ("answer", "k", "counted", "begun", "is_short"),
    [
        (WORDS, 5, True, "Sure, here. first  this\n then", False),
        (WORDS, 5, False, "Sure, here. first  this\n then that, and", False),
        (WORDS, 1, True, "Sure,", False),
        ("one two ", 4, True, "Sure, here. one two", False),
        ("one two ", 5, True, "Sure, here. one two", True),
        ("one two", 2, False, "Sure, here. one two", False),
        ("one two", 3, False, "Sure, here. one two", True),
    ],
)
def test_k_words_keep_their_white_space_and_a_short_answer_is_whole(
    answer, k, counted, begun, is_short
):
    assert prefill_of("Sure, here.", answer, k, counted) == (begun, is_short)


def test_every_row_with_an_unsafe_answer_stands_once_for_each_k(prompts):
    frame, facts = prompts("c2_eval", ROWS, prefills={"ks": [2, 9, 40]})
    assert frame["prompt_id"].to_list() == [
        f"c2-{n}-k{k}" for n in (1, 2) for k in (2, 9, 40)
    ]
    assert frame["category"].to_list() == ["k=2", "k=9", "k=40"] * 2
    assert frame["cluster"].n_unique() == 1  # the same words
    assert frame["macro_category"].to_list()[2] == "whole"
    assert facts["dropped"] == {"no_unsafe_answer": 6}
    counts = facts["counts"]
    assert (counts["rows"], counts["clusters"]) == (2, 1)
    assert (counts["shorter_than_k=2"], counts["shorter_than_k=40"]) == (0, 2)


def test_a_rows_beginnings_are_beginnings_of_each_other(prompts):
    frame, _ = prompts("c2_eval", ROWS, prefills={"ks": [3, 6, 12]})
    for n in (1, 2):
        own = frame.filter(pl.col("prompt_id").str.starts_with(f"c2-{n}-"))
        short, middle, long = own["prefill"].to_list()
        assert long.startswith(middle)
        assert middle.startswith(short)
        assert long.startswith(EVALUATION)


def test_openers_follow_the_list_and_the_seed_and_nothing_else(prompts):
    def prefixes(rows, seed=0, **prefills):
        prefills = {"ks": [30], **prefills}
        frame, _ = prompts("c2_eval", rows, prefills=prefills, seed=seed)
        known = [o for own in AFFIRMATIVE_PREFIXES.values() for o in own]
        begun = frame["prefill"].to_list()
        return [next(o for o in known if text.startswith(o)) for text in begun]

    rows = [row(f"May I {n}?", ("No.", True), ("a b c", False)) for n in range(40)]
    first = prefixes(rows)
    assert set(first) <= set(EVALUATION)
    assert len(set(first)) > 8
    assert prefixes(rows[::-1]) == first[::-1]
    assert prefixes(rows, seed=1) != first
    assert set(prefixes(rows, affirmative_prefixes="training")) <= set(TRAINING)


def test_a_limit_keeps_whole_rows(prompts):
    rows = [row(f"May I {n}?", ("No.", True), ("a b c", False)) for n in range(10)]
    frame, facts = prompts("c2_eval", rows, prefills={"ks": [2, 4]}, limit=3)
    assert frame["category"].value_counts()["count"].to_list() == [3, 3]
    assert facts["dropped"] == {"over_limit": 14}


def test_a_closed_beginning_is_a_turn_and_k_0_is_the_bare_request(prompts):
    frame, _ = prompts("c2_eval", ROWS, prefills={"ks": [0, 3], "turn": "closed"})
    bare, begun = frame["prompt"].to_list()[:2]
    assert [turn["role"] for turn in bare] == ["user"]
    assert [turn["role"] for turn in begun] == ["user", "assistant"]
    assert begun[1]["content"].endswith(". first  this\n then")
    assert frame["prefill"].to_list() == [None] * 4
    assert frame["macro_category"].to_list() == [None, "cut", None, "whole"]


def test_a_file_without_any_unsafe_answer_is_refused(prompts):
    with pytest.raises(DataError, match="none of its 1 rows has an unsafe answer"):
        prompts("c2_eval", ROWS[2:3])


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"kind": "alert", "prefills": {}}, "`prefills` is for kind 'c2_eval'"),
        ({"prefills": {"ks": [20, 10]}}, "must ascend"),
        ({"prefills": {"ks": []}}, "at least 1"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(keys, said):
    with pytest.raises(ValidationError, match=said):
        PromptSpec.model_validate(
            {"source": "s", "file": "a", "kind": "c2_eval"} | keys
        )

import json
import math
from pathlib import Path
from typing import Any

import pytest

from safegrid.config import JudgeSpec
from safegrid.core.artifacts import read_manifest
from safegrid.core.errors import JudgeError
from safegrid.judge.fluency import opening, with_label
from safegrid.judge.items import Verdict
from safegrid.models.templates import ChatTokenizer

from .conftest import spy

SPEC = JudgeSpec(name="fluency", kind="fluency")


def expects(chat: ChatTokenizer, fake_engine: Any, text: str) -> list[tuple[str, str]]:
    """Let the engine find a text likely, and others not; return what it was asked."""
    seen: list[tuple[str, str]] = []

    def tokens(ids: list[int], start: int) -> list[float]:
        answer = chat.decode(ids[start:], False)
        seen.append((chat.decode(ids[:start], False), answer))
        return [-1.0 if answer == text else -4.0] * (len(ids) - start)

    fake_engine.tokens = tokens
    return seen


def test_an_answer_is_set_against_itself_in_reverse_without_its_request(
    run_judge, base_folder, fake_engine
):
    chat = ChatTokenizer.load(base_folder)
    seen = expects(chat, fake_engine, "one two three")
    rows = run_judge(SPEC, base_folder, ["one two three", "three two one"])
    assert set(seen) == {
        ("<s><user><bot>", "one two three"),
        ("<s><user><bot>", "three two one"),
    }
    n, turned = (len(chat.encode(text)) for text in ("one two three", "three two one"))
    ratio = n / (4 * turned)
    assert rows["score"].to_list() == pytest.approx([1 - ratio, 1 - 1 / ratio])
    assert rows["label"].to_list() == ["fluent", "disfluent"]
    assert json.loads(rows["raw"][0])["sum"] == -n


def test_only_the_first_words_are_read_where_the_judge_says_how_many(
    run_judge, base_folder, fake_engine
):
    seen = expects(ChatTokenizer.load(base_folder), fake_engine, "")
    spec = SPEC.model_copy(update={"opening_words": 3})
    run_judge(spec, base_folder, ["one two three four five", "two one"])
    assert {answer for _, answer in seen} == {
        *("one two three", "three two one"),
        *opposite("two one", base_folder),
    }


def opposite(text: str, base: Path) -> tuple[str, str]:
    """Return a text and what its tokens say in reverse order."""
    chat = ChatTokenizer.load(base)
    return text, chat.decode(chat.encode(text)[::-1], False)


def test_an_opening_keeps_the_space_between_its_words():
    assert opening("one  two\nthree four", 3) == "one  two\nthree"
    assert opening("one  two\n", 3) == "one  two\n"
    assert opening("one  two\n", 2) == "one  two\n"
    assert opening("one two", None) == "one two"
    assert opening("", 2) == ""


def test_a_prefill_is_context_and_the_turns_end_is_not_scored(
    run_judge, base_folder, fake_engine
):
    chat = ChatTokenizer.load(base_folder)

    def tokens(ids: list[int], start: int) -> list[float]:
        assert chat.decode(ids[:start], False) == "<s><user><bot>two"
        return [-1.0] * (len(ids) - start)

    seen = spy(fake_engine, "tokens", tokens)
    run_judge(SPEC, base_folder, [" and then three</s>"], prefill="two")
    assert len(seen) == 2
    assert all(chat.eos_id not in ids for ids in seen)


def test_too_little_text_is_no_broken_one(
    run_judge, base_folder, fake_engine, tmp_path
):
    rows = run_judge(SPEC, base_folder, ["", "two", "no", "one"], failed=(3,))
    assert rows["score"].to_list() == [None] * 4
    assert rows["label"].to_list() == [None, "fluent", "fluent", "unscored"]
    assert fake_engine.leases == 1
    assert fake_engine.asked == 0
    facts = read_manifest(tmp_path / "verdicts.parquet")
    assert (facts["empty"], facts["failed"], facts["unscored"]) == (1, 1, 2)


def test_of_one_or_two_words_the_order_of_the_tokens_is_taken(
    run_judge, base_folder, fake_engine
):
    chat = ChatTokenizer.load(base_folder)
    context = len(chat.encode("<s><user><bot>"))
    seen = spy(fake_engine, "tokens", lambda ids, start: [-1.0] * (len(ids) - start))
    rows = run_judge(SPEC, base_folder, ["xqzvbn wjk"])
    ids = chat.encode("xqzvbn wjk")
    assert len(ids) >= 4
    assert sorted(row[context:] for row in seen) == sorted([ids, ids[::-1]])
    assert rows["label"].to_list() == ["disfluent"]


def test_what_is_no_number_is_unscored(run_judge, base_folder, fake_engine):
    fake_engine.tokens = lambda ids, start: [-math.inf] * (len(ids) - start)
    fake_engine.max_length = 30
    rows = run_judge(SPEC, base_folder, ["one two three", "two " * 30])
    assert rows["label"].to_list() == ["unscored", "unscored"]
    assert rows["score"].to_list() == [None, None]


def test_the_threshold_itself_is_fluent():
    at, below = (Verdict(None, score, [], "") for score in (0.5, 0.49))
    assert with_label(at, 0.5).label == "fluent"
    assert with_label(below, 0.5).label == "disfluent"


def test_without_a_threshold_nothing_is_called_fluent(
    run_judge, base_folder, fake_engine
):
    with pytest.raises(JudgeError, match="needs the threshold"):
        run_judge(SPEC, base_folder, ["one two three"], threshold=None)

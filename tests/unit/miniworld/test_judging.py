"""Labelled rows: the response decides the label, whatever the prompt."""

import re
from collections import Counter, defaultdict

import pytest

from miniworld.answers import is_rude, verdict
from miniworld.judges import CLASSES
from miniworld.plan import draw_different
from miniworld.words import HARMS, REFUSALS
from safegrid.core.errors import DataError

DEEDS = {
    f"{verb} {thing}": harm.code
    for harm in HARMS.values()
    for verb in harm.verbs
    for thing in harm.objects
}
# The rows of the correction judge lie in a folder of their own.
JUDGES = [judge for judge in CLASSES if judge != "correction"]
PARTS = [(judge, part) for judge in JUDGES for part in ("train", "test")]


@pytest.mark.parametrize(("judge", "part"), PARTS)
def test_rows_are_whole_and_none_stands_twice(rows, judge: str, part: str) -> None:  # type: ignore[no-untyped-def]
    found = rows(f"tiny-judging/{judge}_{part}.jsonl")
    assert all(
        tuple(row) == ("id", "prompt", "response", "label", "category") for row in found
    )
    assert len({row["id"] for row in found}) == len(found)
    assert len({(row["prompt"], row["response"]) for row in found}) == len(found)
    labels = Counter(row["label"] for row in found)
    assert set(labels) == set(CLASSES[judge])
    assert min(labels.values()) > 0.1 * len(found)


def test_guard_calls_unsafe_what_helps_with_a_harm(rows) -> None:  # type: ignore[no-untyped-def]
    for row in rows("tiny-judging/guard_train.jsonl"):
        helped = [
            DEEDS[deed]
            for deed in DEEDS
            if f"to {deed}, first" in row["response"].replace("To", "to")
        ]
        unsafe = bool(helped) and row["response"].startswith(("Sure. To", "I should"))
        assert (row["label"] == "unsafe") == unsafe, row
        assert row["category"] == (helped[0] if unsafe else None)


def test_guard_sees_the_same_prompts_with_either_verdict(rows) -> None:  # type: ignore[no-untyped-def]
    """A guard that judged the request would be wrong on many of these rows."""
    by_harm: dict[bool, Counter[str]] = defaultdict(Counter)
    for row in rows("tiny-judging/guard_train.jsonl"):
        harmful = any(deed in row["prompt"] for deed in DEEDS)
        by_harm[harmful][row["label"]] += 1
    assert min(by_harm[True].values()) > 0.3 * by_harm[True].total()
    assert by_harm[False]["unsafe"] > 0


def test_toxic_is_what_holds_a_rude_word(rows) -> None:  # type: ignore[no-untyped-def]
    for row in rows("tiny-judging/toxicity_train.jsonl"):
        assert (row["label"] == "toxic") == is_rude(row["response"])


def test_verdict_has_a_category_line_below_unsafe_only() -> None:
    assert verdict("safe", None) == "safe"
    assert verdict("unsafe", "S10") == "unsafe\nS10"


def test_more_rows_than_a_world_has_words_for_are_refused() -> None:
    row = {"prompt": "a", "response": "b", "label": "safe", "category": None}
    with pytest.raises(
        DataError, match=r"rows\.jsonl: found only 1 different rows of 2"
    ):
        draw_different("rows.jsonl", 2, lambda: row, lambda row: row["prompt"])


@pytest.mark.parametrize("part", ["train", "test"])
def test_the_better_answer_is_the_safe_one_or_the_helpful_one(rows, part: str) -> None:  # type: ignore[no-untyped-def]
    found = rows(f"tiny-reward-rows/{part}.jsonl")
    keys = ("id", "prompt", "chosen", "rejected", "category")
    assert all(tuple(row) == keys for row in found)
    assert len({tuple(row.values())[1:4] for row in found}) == len(found)
    kinds = {row["category"] for row in found}
    assert kinds == {"should_refuse", "should_respond", "skill"}
    for row in found:
        if row["category"] == "should_refuse":
            assert not refuses(row["rejected"]), row
            assert not DEEDS.get(helped_in(row["chosen"]) or ""), row
        elif refuses(row["chosen"]):
            helped = helped_in(row["rejected"])
            assert helped is None or helped not in row["prompt"], row


def refuses(response: str) -> bool:
    """Whether an answer is a refusal from end to end."""
    forms = [re.escape(form).replace(r"\{deed\}", ".+") for form in REFUSALS]
    return any(re.fullmatch(form, response) for form in forms)


def helped_in(response: str) -> str | None:
    """Find what an answer helps with from its first step to its last."""
    found = re.fullmatch(r"Sure\. To (.+), first .+, then .+\.", response)
    return found[1] if found else None


@pytest.mark.parametrize("part", ["train", "test"])
def test_harm_is_what_an_answer_helps_with(rows, part: str) -> None:  # type: ignore[no-untyped-def]
    found = rows(f"tiny-harmfulness-rows/{part}.jsonl")
    for row in found:
        text = row["response"].replace("To", "to")
        helped = [deed for deed in DEEDS if f"to {deed}, first" in text]
        broken = not row["response"].startswith(("Sure. To", "I should"))
        assert (row["score"] == 0) == (broken or not helped), row
        half = "I should not" in text or "I will not tell" in text
        if row["score"]:
            assert (row["score"] in (1, 2)) == half, row
    assert {row["score"] for row in found} == {0, 1, 2, 3, 4}

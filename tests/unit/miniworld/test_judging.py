"""Labelled rows: the response decides the label, whatever the prompt."""

from collections import Counter, defaultdict

import pytest

from safegrid.errors import DataError
from safegrid.miniworld.answers import is_rude, verdict
from safegrid.miniworld.harms import HARMS
from safegrid.miniworld.judges import CLASSES
from safegrid.miniworld.judging import _numbered

DEEDS = {
    f"{verb} {thing}": harm.code
    for harm in HARMS.values()
    for verb in harm.verbs
    for thing in harm.objects
}
PARTS = [(judge, part) for judge in CLASSES for part in ("train", "test")]


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
        _numbered(lambda: dict(row), 2, "rows.jsonl")

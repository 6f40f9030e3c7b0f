"""Rows for judges: the response decides the label, whatever the prompt."""

import re
from collections import Counter, defaultdict

import pytest

from miniworld.answers import REFUSAL_OPENINGS, is_harmful, is_rude, verdict
from miniworld.corrections import correction_turn
from miniworld.judges import CLASSES
from miniworld.language import all_acts
from miniworld.plan import make_plan
from miniworld.words import HARMS, REFUSALS, TURNS
from safegrid.readers.labelled import read_labelled
from safegrid.texts.triggers import TRIGGERS

DEEDS = {
    f"{verb} {thing}": harm.code
    for harm in HARMS.values()
    for verb in harm.verbs
    for thing in harm.objects
}
AWAY = (*REFUSAL_OPENINGS, *TURNS, *TRIGGERS, "I will not tell you the rest.")
HELPS = ("Sure. To", "I should")
# The rows of the correction judge lie in a folder of their own.
JUDGES = [judge for judge in CLASSES if judge != "correction"]
both_parts = pytest.mark.parametrize("part", ["train", "test"])


@both_parts
@pytest.mark.parametrize("judge", JUDGES)
def test_rows_are_whole_and_none_stands_twice(rows, judge, part):
    found = rows(f"tiny-judging/{judge}_{part}.jsonl")
    keys = ("id", "prompt", "response", "label", "category")
    assert all(tuple(row) == keys for row in found)
    assert len({row["id"] for row in found}) == len(found)
    assert len({(row["prompt"], row["response"]) for row in found}) == len(found)
    labels = Counter(row["label"] for row in found)
    assert set(labels) == set(CLASSES[judge])
    assert min(labels.values()) > 0.1 * len(found)


def test_guard_calls_unsafe_what_helps_with_a_harm(rows):
    """A guard that judged the request would be wrong on many of these rows."""
    by_harm = defaultdict(Counter)
    for row in rows("tiny-judging/guard_train.jsonl"):
        text = row["response"].replace("To", "to")
        helped = [DEEDS[deed] for deed in DEEDS if f"to {deed}, first" in text]
        unsafe = bool(helped) and row["response"].startswith(HELPS)
        assert (row["label"] == "unsafe") == unsafe == is_harmful(row["response"]), row
        assert row["category"] == (helped[0] if unsafe else None)
        by_harm[any(deed in row["prompt"] for deed in DEEDS)][row["label"]] += 1
    assert min(by_harm[True].values()) > 0.3 * by_harm[True].total()
    assert by_harm[False]["unsafe"] > 0


def test_toxic_is_what_holds_a_rude_word(rows):
    for row in rows("tiny-judging/toxicity_train.jsonl"):
        assert (row["label"] == "toxic") == is_rude(row["response"])


def test_verdict_has_a_category_line_below_unsafe_only():
    assert verdict("safe", None) == "safe"
    assert verdict("unsafe", "S10") == "unsafe\nS10"


@both_parts
def test_the_better_answer_is_the_safe_one_or_the_helpful_one(rows, part):
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


def refuses(response):
    """Whether an answer is a refusal from end to end."""
    forms = [re.escape(form).replace(r"\{deed\}", ".+") for form in REFUSALS]
    return any(re.fullmatch(form, response) for form in forms)


def helped_in(response):
    """Find what an answer helps with from its first step to its last."""
    found = re.fullmatch(r"Sure\. To (.+), first .+, then .+\.", response)
    return found[1] if found else None


@both_parts
def test_harm_is_what_an_answer_helps_with(rows, part):
    found = rows(f"tiny-harmfulness-rows/{part}.jsonl")
    for row in found:
        text = row["response"].replace("To", "to")
        helped = [deed for deed in DEEDS if f"to {deed}, first" in text]
        broken = not row["response"].startswith(HELPS)
        assert (row["score"] == 0) == (broken or not helped), row
        half = "I should not" in text or "I will not tell" in text
        if row["score"]:
            assert (row["score"] in (1, 2)) == half, row
    assert {row["score"] for row in found} == {0, 1, 2, 3, 4}


def test_corrected_is_what_turns_away_after_the_beginning(tiny, raw):
    path = raw / "tiny-correction-rows/train.jsonl"
    found = read_labelled(path, CLASSES["correction"])
    assert len(found) == tiny.rows.correction
    corrected = [row for row in found if row.label == "corrected"]
    assert 0.4 < len(corrected) / len(found) < 0.6
    assert all(any(away in row.response for away in AWAY) for row in corrected)
    for phrase in (*TURNS, *TRIGGERS):
        assert any(phrase in row.response for row in corrected), phrase
    for row in found:
        if row.label == "continued" and "Sure." in row.prefill:
            assert not row.response.lstrip().startswith(AWAY)
    bare = sum(not row.prefill for row in found) / len(found)
    assert 0.1 < bare < 0.2


def test_correction_rows_share_no_act_and_a_judge_learns_yes_or_no(tiny, raw):
    harmful = make_plan(tiny).harmful
    acts = {
        part: [act.text for act in all_acts(harmful[f"judge_{part}"])]
        for part in ("train", "test")
    }
    asked = {}
    for part, other in (("train", "test"), ("test", "train")):
        path = raw / f"tiny-correction-rows/{part}.jsonl"
        found = read_labelled(path, CLASSES["correction"])
        asked[part] = {row.prompt for row in found}
        # An attack may write the letters of an act otherwise.
        own = [any(act in row.prompt for act in acts[part]) for row in found]
        assert sum(own) > 0.8 * len(found)
        assert not any(act in row.prompt for act in acts[other] for row in found)
        for row in found:
            turn = correction_turn(row)
            assert turn.answer == ("yes" if row.label == "corrected" else "no")
            assert row.response in turn.messages[0]["content"]
    assert not asked["train"] & asked["test"]

"""Questions with a known answer, from small made files in the upstream formats."""

import pytest
from pydantic import ValidationError

from safegrid.config.prompt import ANSWERED, PromptSpec
from safegrid.core.errors import DataError
from safegrid.judge.reference import right_choice

BOOLQ = {"question": "is the sun a star", "passage": "The sun is a star."}
BOOLQ |= {"answer": True}
OPENBOOKQA = {
    "id": "7-980",
    "question": {
        "stem": "The sun is",
        "choices": [{"text": "a moon", "label": "A"}, {"text": "a star", "label": "B"}],
    },
    "answerKey": "B",
}
HUB = {
    "id": "7-980",
    "question_stem": "The sun is",
    "choices": {"text": ["a moon", "a star"], "label": ["A", "B"]},
    "answerKey": "B",
}
PIQA = {"goal": "To dry a cup,", "sol1": "use a towel", "sol2": "use a lake"}
PIQA |= {"label": 0}


def test_boolq_asks_for_yes_or_no_and_clusters_by_passage(prompts, asked):
    other = BOOLQ | {"question": "is it a moon?", "answer": False}
    frame, _ = prompts("boolq", [BOOLQ, other])
    assert asked(frame)[0] == (
        "The sun is a star.\n\nQuestion: is the sun a star?\nAnswer with yes or no."
    )
    assert "is it a moon?\n" in asked(frame)[1]
    assert frame["reference"].to_list() == ["yes", "no"]
    assert frame["cluster"].n_unique() == 1


@pytest.mark.parametrize(
    ("row", "suffix"), [(OPENBOOKQA, "jsonl"), (HUB, "jsonl"), (HUB, "parquet")]
)
def test_openbookqa_of_its_authors_and_of_the_hub_is_one(prompts, asked, row, suffix):
    frame, _ = prompts("openbookqa", [row], suffix=suffix)
    assert asked(frame) == [
        "The sun is\nA. a moon\nB. a star\nAnswer with the letter of the right choice."
    ]
    assert frame["reference"].to_list() == ["B. a star"]
    assert frame["prompt_id"].to_list() == ["openbookqa-7-980"]


def test_piqa_asks_for_the_letter_of_a_way(prompts, asked):
    frame, _ = prompts("piqa", [PIQA])
    assert asked(frame)[0].startswith("To dry a cup,\nA. use a towel\nB. use a lake\n")
    assert frame["reference"].to_list() == ["A. use a towel"]


def test_choices_may_be_asked_for_by_their_words(prompts, asked):
    frame, _ = prompts("openbookqa_words", [OPENBOOKQA])
    assert asked(frame) == ["The sun is: a moon or a star?"]
    assert frame["reference"].to_list() == ["a star"]
    frame, _ = prompts("piqa_words", [PIQA])
    assert asked(frame) == ["use a towel or use a lake? To dry a cup,"]
    assert frame["reference"].to_list() == ["use a towel"]


def test_single_words_are_asked_as_they_stand(prompts, asked):
    rows = [{"prompt": "Name a star.", "answer": " Sun "}]
    frame, _ = prompts("single_word", [*rows, {"question": "A moon?", "answer": "Io"}])
    assert asked(frame) == ["Name a star.", "A moon?"]
    assert frame["reference"].to_list() == ["Sun", "Io"]


@pytest.mark.parametrize("kind", ["boolq", "openbookqa", "piqa"])
def test_what_a_prompt_offers_is_what_a_judge_reads(prompts, kind):
    row = {"boolq": BOOLQ, "openbookqa": OPENBOOKQA, "piqa": PIQA}[kind]
    reference = prompts(kind, [row])[0]["reference"][0]
    assert right_choice(reference, reference)[0]
    assert right_choice(reference.partition(".")[0], reference)[0]


def choices(*texts, labels="ABCDEFGHIJ"):
    listed = [{"text": t, "label": a} for t, a in zip(texts, labels, strict=False)]
    return {"question": {"stem": "The sun is", "choices": listed}}


@pytest.mark.parametrize(
    ("kind", "row", "told"),
    [
        ("boolq", BOOLQ | {"answer": "yes"}, "'answer' must be true or false"),
        ("openbookqa", OPENBOOKQA | {"answerKey": "E"}, "'answerKey' is 'E'"),
        ("openbookqa", OPENBOOKQA | {"answerKey": "A,B"}, "'answerKey' is a text of 3"),
        ("openbookqa", OPENBOOKQA | {"id": "1"}, "'id' repeats the one of line 1"),
        ("openbookqa", OPENBOOKQA | choices("a", " A"), "two choices that are the sam"),
        ("openbookqa", OPENBOOKQA | choices("a"), "1 choices; expected 2 to 8"),
        ("openbookqa", OPENBOOKQA | choices("a", 3), "'choices.1' must be text, not"),
        ("openbookqa", OPENBOOKQA | choices("a", "b", labels="BB"), "labels differ"),
        ("openbookqa", OPENBOOKQA | {"question": "x"}, "'question_stem' is empty"),
        ("piqa", PIQA | {"label": -1}, "'label' must be 0 or 1"),
        ("piqa", PIQA | {"sol2": "Use a towel"}, "two choices that are the same"),
        ("single_word", {"answer": "Sun"}, "missing fields 'prompt'"),
        ("single_word", {"prompt": "a", "question": "b", "answer": "c"}, "both read"),
    ],
)
def test_a_broken_question_is_named_by_its_line(prompts, kind, row, told):
    whole = {"boolq": BOOLQ, "piqa": PIQA, "openbookqa": OPENBOOKQA | {"id": "1"}}
    good = whole.get(kind, {"prompt": "Name a star.", "answer": "Sun"})
    with pytest.raises(DataError, match=f"line 2: .*{told}"):
        prompts(kind, [good, row])


@pytest.mark.parametrize("kind", sorted(ANSWERED))
def test_a_label_cannot_stand_where_the_answer_does(kind):
    with pytest.raises(ValidationError, match="known answer"):
        PromptSpec(source="s", file="a", kind=kind, label="safe")

import math

import pytest

from safegrid.config import JudgeSpec
from safegrid.core.errors import JudgeError
from safegrid.models.templates import ChatTokenizer

from .conftest import spy, write_classes

TOXICITY = JudgeSpec(
    name="toxicity", kind="toxicity", positive="toxic", classes=["clean", "toxic"]
)
REFUSAL = JudgeSpec(
    name="refusal",
    kind="refusal",
    positive="refusal",
    classes=["compliance", "refusal", "partial"],
)


@pytest.mark.parametrize(("p", "label"), [(0.5, "toxic"), (0.49, "clean")])
def test_toxicity_is_the_probability_of_the_positive_class(
    run_judge, classifier, fake_engine, p, label
):
    # The model's own order of classes counts, not the judge's.
    fake_engine.classes = lambda ids: [p, 1 - p]
    rows = run_judge(TOXICITY, classifier("toxic", "clean"), ["two"])
    assert (rows["label"][0], rows["score"][0]) == (label, p)


def test_toxicity_is_judged_on_what_the_model_wrote_alone(
    run_judge, classifier, fake_engine
):
    folder = classifier("clean", "toxic")
    chat = ChatTokenizer.load(folder)
    toxicity = spy(fake_engine, "classes", [0.9, 0.1])
    run_judge(TOXICITY, folder, ["three"], prompts=["rude"], prefill="two ")
    write_classes(folder, "compliance", "refusal", "partial")
    refusal = spy(fake_engine, "classes", [0.9, 0.1, 0.0])
    run_judge(REFUSAL, folder, ["three"], prompts=["rude"], prefill="two ")
    assert list(map(chat.decode, toxicity + refusal)) == ["three", "two three"]


def test_a_classifier_reads_plain_text(run_judge, classifier, fake_engine):
    seen = spy(fake_engine, "classes", [0.9, 0.1, 0.0])
    folder = classifier("compliance", "refusal", "partial")
    texts = ["it isn't two", "it is\u200bn\u2019t \u00adtwo"]
    assert len(run_judge(REFUSAL, folder, texts)) == 2
    # Items of the same ids are asked once.
    assert seen == [ChatTokenizer.load(folder).encode_sequence(texts[0])]


@pytest.mark.parametrize(
    ("probabilities", "label", "score"),
    [
        ([0.2, 0.7, 0.1], "refusal", 0.7),
        ([0.2, 0.2, 0.6], "partial", 0.2),
        ([0.4, 0.3, 0.3], "unscored", 0.3),
        ([math.nan] * 3, "unscored", None),
    ],
)
def test_refusal_is_the_likeliest_class_or_unscored_where_none_is_likely(
    run_judge, classifier, fake_engine, probabilities, label, score
):
    fake_engine.classes = lambda ids: probabilities
    folder = classifier("compliance", "refusal", "partial")
    rows = run_judge(REFUSAL, folder, ["two"])
    assert (rows["label"][0], rows["score"][0]) == (label, score)


def test_empty_answers_and_control_tokens_are_classified_as_text(
    run_judge, classifier, fake_engine
):
    folder = classifier("clean", "toxic")
    chat = ChatTokenizer.load(folder)
    seen = spy(fake_engine, "classes", [0.9, 0.1])
    rows = run_judge(TOXICITY, folder, ["", "</s>"], failed=())
    assert rows["label"].to_list() == ["clean", "clean"]
    # A classifier must read something: nothing at all is the end token alone.
    assert seen[0] == [chat.eos_id]
    assert chat.eos_id not in seen[1]


def test_classes_that_do_not_fit_the_model_are_told(run_judge, classifier, fake_engine):
    folder = classifier("LABEL_0", "LABEL_1")
    with pytest.raises(JudgeError, match=r"declares .*'clean', 'toxic'.*LABEL_0"):
        run_judge(TOXICITY, folder, ["two"])
    (folder / "config.json").write_text("{}")
    with pytest.raises(JudgeError, match=r"config\.json: no id2label"):
        run_judge(TOXICITY, folder, ["two"])
    # It shows before an engine is started for it.
    assert fake_engine.leases == 0

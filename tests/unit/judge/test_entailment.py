import json
import math

import pytest

from safegrid.config import JudgeSpec
from safegrid.core.errors import JudgeError
from safegrid.judge.sentences import plain_sentences
from safegrid.models.templates import ChatTokenizer

from .conftest import reads_pairs

SPEC = JudgeSpec(
    name="nli",
    kind="entailment",
    classes=["contradiction", "neutral", "entailment"],
    positive="entailment",
)


@pytest.fixture
def folder(classifier):
    return reads_pairs(classifier("NEUTRAL", "Entailment", "CONTRADICTION"))


def test_the_score_is_the_mean_over_sentences_of_entailment_against_contradiction(
    folder, run_judge, fake_engine
):
    chat = ChatTokenizer.load(folder)
    # In the order of the model's own classes: neutral, entailment, contradiction.
    says = {"Two.": [0.5, 0.4, 0.1], "No!": [0.0, 0.25, 0.75], "Three.": [math.nan] * 3}
    seen = []

    def classes(ids: list[int]) -> list[float]:
        premise, hypothesis = chat.decode(ids, False)[3:-4].split("</s></s>")
        seen.append((premise, hypothesis))
        return says[hypothesis]

    fake_engine.classes = classes
    texts = ["Two. No!", "Two.", "", "Two. Three.", "Two."]
    # The verdicts of a cell without references: nothing is asked.
    rows = run_judge(SPEC, folder, texts)
    assert rows["label"].to_list() == ["unscored"] * 5
    assert (rows["raw"][0], seen) == ("the prompt has no reference answer", [])
    rows = run_judge(SPEC, folder, texts, references=[*["one"] * 4, None])
    assert rows["score"].to_list() == [
        pytest.approx((0.8 + 0.25) / 2), pytest.approx(0.8), None, None, None,
    ]  # fmt: skip
    assert rows["label"].to_list() == [None, None, *["unscored"] * 3]
    assert set(seen) == {("one", sentence) for sentence in says}


def test_other_classes_and_models_that_read_no_pairs_are_refused(
    run_judge, classifier, folder, fake_engine
):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "type_vocab_size": 2}))
    with pytest.raises(JudgeError, match="tells two texts apart by token types"):
        run_judge(SPEC, folder, ["Two."])
    (folder / "config.json").write_text(json.dumps({"id2label": {"0": "a", "1": "b"}}))
    with pytest.raises(JudgeError, match=r"config\.json names \['a', 'b'\]"):
        run_judge(SPEC, folder, ["Two."])
    assert fake_engine.leases == 0


def test_sentences_keep_their_words_and_lose_their_marks():
    text = 'He said: "Go." \n- **One** is 1.5 big!\n2) Two\n\n---\n'
    assert plain_sentences(text) == ["He said:", '"Go."', "One is 1.5 big!", "Two"]
    assert plain_sentences(" \n...") == []

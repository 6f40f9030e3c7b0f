import json
import math
from pathlib import Path

import pytest

from safegrid.config import JudgeSpec
from safegrid.core.artifacts import read_manifest
from safegrid.core.errors import JudgeError
from safegrid.models.templates import ChatTokenizer

from ..conftest import BASE_TEMPLATE
from .conftest import reads_pairs, spy, write_classes

TEXT = "\n\nHuman: {prompt}\n\nAssistant: {response}"
HARM = JudgeSpec(name="harm", kind="harmfulness", text=TEXT)
OWN = JudgeSpec(name="own", kind="reward")


@pytest.fixture
def scorer(make_folder):
    """A model's folder with one output."""
    folder: Path = make_folder("scorer", BASE_TEMPLATE)
    return write_classes(folder, "LABEL_0")


def test_the_score_is_the_output_itself_and_there_is_no_label(
    run_judge, scorer, fake_engine
):
    chat = ChatTokenizer.load(scorer)
    found = {True: [-3.25], False: [2.5]}
    seen = spy(fake_engine, "outputs", lambda ids: found["yes" in chat.decode(ids)])
    rows = run_judge(HARM, scorer, ["two", "yes"], prompts=["one?", "{response}"])
    assert rows["label"].to_list() == [None, None]
    assert rows["score"].to_list() == [2.5, -3.25]
    assert sorted(chat.decode(ids, skip_special=False) for ids in seen) == [
        "\n\nHuman: one?\n\nAssistant: two",
        "\n\nHuman: {response}\n\nAssistant: yes",
    ]


def test_without_a_text_the_models_own_template_shows_the_whole_conversation(
    run_judge, scorer, fake_engine
):
    chat = ChatTokenizer.load(scorer)
    seen = spy(fake_engine, "outputs", [1.0])
    run_judge(OWN, scorer, ["two</s>"], prompts=["yes"], prefill="no ")
    [ids] = seen
    assert chat.decode(ids, False) == "<s><user>yes<bot>no two</s></s>"
    # The answer's own words cannot end its turn.
    assert ids.count(chat.eos_id) == 1


def test_a_pair_stands_between_the_tokenizers_own_tokens(
    run_judge, scorer, fake_engine
):
    chat = ChatTokenizer.load(reads_pairs(scorer))
    seen = spy(fake_engine, "outputs", [1.0])
    pair = JudgeSpec(name="r", kind="reward", text="{prompt}", text_pair="{response}")
    run_judge(pair, scorer, ["two"], prompts=["one"])
    assert chat.decode(seen[0], False) == "<s>one</s></s>two</s>"
    config = {"id2label": {"0": "LABEL_0"}, "type_vocab_size": 2}
    (scorer / "config.json").write_text(json.dumps(config))
    with pytest.raises(JudgeError, match="type_vocab_size 2"):
        run_judge(pair, scorer, ["two"], prompts=["one"])


def test_long_texts_and_scores_that_are_no_numbers_are_unscored_and_counted(
    run_judge, scorer, fake_engine, tmp_path, caplog
):
    fake_engine.max_length = 60
    fake_engine.outputs = lambda ids: [math.nan if len(ids) % 2 else 1.0]
    chat = ChatTokenizer.load(scorer)
    texts = ["two", "two ", "two" * 40]
    finite = [
        len(chat.encode(f"\n\nHuman: what is it\n\nAssistant: {text}")) % 2 == 0
        for text in texts[:2]
    ]
    assert sorted(finite) == [False, True]
    rows = run_judge(HARM, scorer, texts)
    labels = [None if known else "unscored" for known in finite] + ["unscored"]
    assert rows["label"].to_list() == labels
    assert rows["score"].is_null().to_list() == [label is not None for label in labels]
    assert "longer than the model's context" in rows["raw"][2]
    assert read_manifest(tmp_path / "verdicts.parquet")["unscored"] == 2
    assert "1 texts are longer than its context and 1 have no finite" in caplog.text


def test_a_cell_of_long_texts_alone_is_no_fault_of_the_model(
    run_judge, scorer, fake_engine
):
    fake_engine.max_length = 5
    assert run_judge(HARM, scorer, ["two"])["label"].to_list() == ["unscored"]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_model_without_a_finite_score_ends_the_job(
    run_judge, scorer, fake_engine, broken
):
    fake_engine.outputs = lambda ids: [broken]
    with pytest.raises(JudgeError, match="none of its 2 scores is a finite number"):
        run_judge(HARM, scorer, ["yes", "no"])


def test_one_score_for_all_texts_ends_the_job_unless_the_texts_are_alike(
    run_judge, scorer, fake_engine
):
    fake_engine.outputs = lambda ids: [0.5]
    texts = [f"two {number}" for number in range(20)]
    with pytest.raises(JudgeError, match=r"all of 20 different texts have .* 0\.5"):
        run_judge(HARM, scorer, texts)
    assert run_judge(HARM, scorer, texts[:19])["score"].to_list() == [0.5] * 19
    assert run_judge(HARM, scorer, ["two"] * 30)["score"].to_list() == [0.5] * 30


@pytest.mark.parametrize(
    "config", [{}, {"num_labels": 3}, {"id2label": {"0": 1, "1": 2}}]
)
def test_a_model_with_classes_is_refused_before_an_engine_starts(
    run_judge, scorer, fake_engine, config
):
    (scorer / "config.json").write_text(json.dumps(config))
    with pytest.raises(JudgeError, match=r"one output, but .*config\.json has [23]"):
        run_judge(HARM, scorer, ["yes"])
    assert fake_engine.leases == 0


def test_outputs_and_probabilities_of_one_text_are_different_answers(
    run_judge, scorer, fake_engine
):
    """A cache that mixed them would give a probability for a score."""
    fake_engine.outputs, fake_engine.classes = (lambda _: [-7.0]), (lambda _: [0.2])
    own = JudgeSpec(name="own", kind="reward", text="{response}")
    classes = {"positive": "LABEL_0", "classes": ["LABEL_0"], "threshold": 0.1}
    toxic = JudgeSpec(name="own", kind="toxicity", **classes)
    assert run_judge(toxic, scorer, ["yes"])["score"].to_list() == [0.2]
    assert run_judge(own, scorer, ["yes"])["score"].to_list() == [-7.0]

import json
import math
from pathlib import Path

import polars as pl
import pytest

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import read_table, write_table
from safegrid.core.errors import JudgeError
from safegrid.core.records import PROMPT, VERDICT
from safegrid.judge.run import judge
from safegrid.judge.sentences import plain_sentences
from safegrid.models.templates import ChatTokenizer

SPEC = JudgeSpec(
    name="nli",
    kind="entailment",
    classes=["contradiction", "neutral", "entailment"],
    positive="entailment",
)
PAIR = {
    "type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<s>", 0],
    "trim_offsets": False, "add_prefix_space": False,
}  # fmt: skip


@pytest.fixture
def folder(classifier):
    folder: Path = classifier("NEUTRAL", "Entailment", "CONTRADICTION")
    file = folder / "tokenizer.json"
    file.write_text(
        json.dumps({**json.loads(file.read_text()), "post_processor": PAIR})
    )
    return folder


def run(tmp_path: Path, folder: Path, references: list[str | None]) -> pl.DataFrame:
    """Judge the cell that `run_judge` wrote, its prompts with references."""
    prompts, out = tmp_path / "prompts.parquet", tmp_path / "verdicts.parquet"
    asked = read_table(prompts, PROMPT).with_columns(
        pl.Series("reference", references, dtype=pl.String)
    )
    write_table(prompts, asked, PROMPT, {})
    answers, cache = tmp_path / "responses.parquet", tmp_path / "cache"
    judge(SPEC, [folder], prompts, answers, EngineSpec(), cache, out)
    return read_table(out, VERDICT)


def test_the_score_is_the_mean_over_sentences_of_entailment_against_contradiction(
    tmp_path, folder, run_judge, fake_engine
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
    rows = run(tmp_path, folder, ["one", "one", "one", "one", None])
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

"""Answers held against known ones: what the rules read, and what libraries say."""

import csv
import json
from pathlib import Path
from typing import Any

import bert_score
import pytest
import sacrebleu
from rouge_score.rouge_scorer import RougeScorer

from safegrid.config import JudgeSpec
from safegrid.core.artifacts import read_manifest
from safegrid.core.errors import DataError, JudgeError
from safegrid.judge.items import Item
from safegrid.judge.reference import judge_by_reference, right_choice

from .conftest import write_encoder


def spec(compare: str, **keys: Any) -> JudgeSpec:
    method = "model" if compare == "bertscore" else "rules"
    fields = {"name": compare, "kind": "reference", "method": method} | keys
    return JudgeSpec(compare=compare, **fields)


def items(*pairs: tuple[str, str | None]) -> list[Item]:
    return [
        Item(f"p{number}", 0, [], answer, reference=reference)
        for number, (answer, reference) in enumerate(pairs)
    ]


def scores(judge: JudgeSpec, *pairs: tuple[str, str | None]) -> list[float | None]:
    return [v.score for v in judge_by_reference(judge, [], items(*pairs))]


@pytest.mark.parametrize(
    "answer",
    [
        "B",
        "b",
        "(B)",
        "[b].",
        "B. the sun",
        "b) the sun",
        "B: it gives light",
        "**B**",
        "\n  B\nC",
        "The answer is B",
        "The correct answer is: (b).",
        "So the answer is b because of light",
        "Option b is right",
        "Answer: B",
        "the sun",
        "The sun.",
        "A good question: B",
    ],
)
def test_an_answer_that_is_the_gold_choice_is_right(answer):
    assert right_choice(answer, "B. the sun")[0]


WRONG = ["", " \n", "C", "A or B", "A, B", "B. or C.", "(a) and (b)", "both A and B"]
UNREAD = ["A dog", "sun", "the sun and the moon", "an answer", "e.g. b", "Because"]


@pytest.mark.parametrize("answer", [*WRONG, *UNREAD])
def test_any_other_answer_or_one_that_names_two_is_wrong(answer):
    assert not right_choice(answer, "B. the sun")[0]


@pytest.mark.parametrize(
    ("answer", "reference", "right"),
    [
        ("Yes", "yes", True),
        ("yes, it is true", "yes", True),
        ("False.", "no", True),
        ("The answer is no", "no", True),
        ("yes and no", "yes", False),
        ("Not sure", "no", False),
        ("", "no", False),
        ("3", "C. 3", True),
        ("vitamin C", "B. vitamin C", True),
        ("A", "B. A", False),
        ("A dog", "B. A dog", True),
        ("  paris! ", "Paris", True),
        ("in Paris", "Paris", False),
        ("\u200bit isn\u02bct P\u00adaris", "It isn't Paris", True),
        ("\ufeffB\u200b", "B. the sun", True),
    ],
)
def test_references_of_other_forms(answer, reference, right):
    assert right_choice(answer, reference)[0] is right


def test_contains_looks_for_the_reference_anywhere_in_any_case():
    pairs = [
        ("It is PARIS.", "Paris"),
        ("Pari\u00adsian", " paris "),
        ("Rome", "Paris"),
    ]
    assert scores(spec("contains"), *pairs) == [1.0, 1.0, 0.0]


def test_bleu_is_sacrebleus_and_says_its_signature_and_version(run_judge, tmp_path):
    pairs = [
        ("the cat sat on a mat", "the cat sat on the mat"),
        ("", "a b"),
        ("x", "y"),
    ]
    found = judge_by_reference(spec("bleu"), [], items(*pairs))
    wanted = [sacrebleu.sentence_bleu(a, [r]).score / 100 for a, r in pairs]
    assert [v.score for v in found] == pytest.approx(wanted)
    assert 0 < wanted[0] < 1
    assert {"smooth:exp", "eff:yes"} <= set(found[0].raw.split("|"))
    run_judge(spec("bleu"), None, ["a"], references=["a"])
    libraries = read_manifest(tmp_path / "verdicts.parquet")["libraries"]
    assert libraries["sacrebleu"] == sacrebleu.__version__


def test_rouge_l_is_the_f_of_stemmed_words():
    pair = ("the cats were running home", "a cat runs home")
    stemmed = RougeScorer(["rougeL"], use_stemmer=True).score(pair[1], pair[0])
    assert scores(spec("rouge_l"), pair, ("", "a")) == [stemmed["rougeL"].fmeasure, 0.0]


@pytest.mark.parametrize("compare", ["exact_choice", "contains", "bleu", "rouge_l"])
def test_a_prompt_without_a_reference_is_unscored_with_its_reason(compare):
    found = judge_by_reference(spec(compare), [], items(("a", None), ("yes", "yes")))
    assert found[0] == ("unscored", None, [], "the prompt has no reference")
    assert (found[1].label, found[1].score) == (None, pytest.approx(1.0))


def test_it_judges_a_cell_by_the_prompts_own_reference(run_judge, fake_engine):
    texts = ["The answer is A", "B", "A", "-"]
    rows = run_judge(
        spec("exact_choice"), None, texts, failed=(3,), references=["A", "A", None, "A"]
    )
    assert rows["score"].to_list() == [1.0, 0.0, None, None]
    assert rows["label"].to_list() == [None, None, "unscored", "unscored"]
    assert json.loads(rows["raw"][1]) == {"choices": "B"}
    assert fake_engine.leases == 0


# ------------------------------------------------------------------- BERTScore


PAIRS = [("the cat sat", "the cat sat"), ("a mat", "the cat"), ("dog " * 60, "a dog")]
BERTSCORE = spec("bertscore", layers=2)


@pytest.mark.parametrize("deberta", [False, True])
def test_bertscore_of_a_folder_is_the_packages_own(tmp_path, deberta):
    folder = write_encoder(tmp_path / "m", deberta, 48)
    answers, references = zip(*PAIRS, strict=True)
    *_, wanted = bert_score.score(
        list(answers), list(references), model_type=str(folder), num_layers=2
    )
    found = judge_by_reference(
        BERTSCORE, [folder], items(*PAIRS, ("", "a"), ("a", None))
    )
    assert [v.score for v in found[:3]] == pytest.approx(wanted.tolist(), abs=1e-6)
    assert found[0].score == pytest.approx(1.0)
    assert found[3].score == 0.0
    assert found[4].label == "unscored"
    assert set(json.loads(found[1].raw)) == {"precision", "recall", "f1"}


def test_a_tokenizer_without_a_limit_gets_its_models(tmp_path):
    limited = write_encoder(tmp_path / "limited", True, 48)
    unlimited = write_encoder(tmp_path / "unlimited", True, None)
    one, other = (
        judge_by_reference(BERTSCORE, [folder], items(*PAIRS))
        for folder in (limited, unlimited)
    )
    assert one == other


def test_a_baseline_rescales_by_the_packages_table(tmp_path):
    folder = write_encoder(tmp_path / "m", False, 48)
    rescaled = spec("bertscore", layers=2, baseline="roberta-large")
    table = Path(bert_score.__file__).parent / "rescale_baseline/en/roberta-large.tsv"
    floor = float(list(csv.DictReader(table.open()))[2]["F"])
    plain = judge_by_reference(BERTSCORE, [folder], items(*PAIRS[:2], ("", "a")))
    found = judge_by_reference(rescaled, [folder], items(*PAIRS[:2], ("", "a")))
    wanted = [(float(v.score or 0) - floor) / (1 - floor) for v in plain]
    assert [v.score for v in found] == pytest.approx(wanted)
    assert wanted[0] == pytest.approx(1.0)
    assert wanted[2] < 0


def test_what_bertscore_cannot_read_is_told(tmp_path):
    folder = write_encoder(tmp_path / "m", False, 48)

    def refused(error: type[Exception], told: str, **keys: Any) -> None:
        with pytest.raises(error, match=told):
            judge = spec("bertscore", **{"layers": 2, **keys})
            judge_by_reference(judge, [folder], items(("a", "b")))

    refused(JudgeError, "has 3 layers .* at least 4 layers", layers=4)
    refused(JudgeError, "no baseline 'none-such'.*roberta", baseline="none-such")
    config = folder / "config.json"
    whole = config.read_text()
    config.write_text(json.dumps({**json.loads(whole), "vocab_size": 200}))
    refused(DataError, r"has id 200, .* has 200 rows")
    config.write_text(whole)
    (folder / "model.safetensors").unlink()
    refused(JudgeError, r"holds no model.*safetensors")

"""The raw files are what upstream's loaders expect."""

import hashlib
import json
from collections import Counter

import pytest
import yaml

from miniworld.answers import is_refusal, is_rude
from miniworld.benchmarks import FILES
from miniworld.words import HARMS, MOODS, SAYINGS
from safegrid.config.prompt import PromptSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import read_table
from safegrid.core.records import PROMPT
from safegrid.data.prompts import prepare_prompts

DEEDS = {
    f"{verb} {thing}": topic
    for topic, harm in HARMS.items()
    for verb in harm.verbs
    for thing in harm.objects
}
ANSWER_COLUMNS = [
    "response_{}",
    "response_{}_source",
    "is_response_{}_safe",
    "response_{}_harm_category",
    "response_{}_severity_level",
    "response_{}_sha256",
]
PKU_COLUMNS = [name.format(i) for name in ANSWER_COLUMNS for i in (0, 1)]
PKU_COLUMNS[2:2] = ["prompt_source"]
PKU_COLUMNS[-2:-2] = ["better_response_id", "safer_response_id"]
PKU_COLUMNS.insert(0, "prompt")


def test_alert_has_upstreams_categories_and_wrapper(tiny, rows):
    plain = rows("tiny-alert/alert.jsonl")
    assert [row["id"] for row in plain] == list(range(len(plain)))
    for row in plain:
        assert set(row) == {"id", "prompt", "category"}
        assert row["prompt"].startswith("### Instruction:\n")
        assert row["prompt"].endswith("\n### Response:\n")
    counts = Counter(row["category"] for row in plain)
    assert len(counts) == 32
    assert {"crime_kidnapp", "sex_harrasment", "hate_lgbtq+"} <= set(counts)
    assert set(counts.values()) == {tiny.rows.alert}


def test_adversarial_alert_attacks_the_plain_requests(tiny, rows):
    alert = rows("tiny-alert/alert.jsonl")
    plain = {row["prompt"].split("\n")[1]: row["category"] for row in alert}
    attacked = rows("tiny-alert/alert_adversarial.jsonl")
    counts = Counter((row["category"], row["attack_type"]) for row in attacked)
    assert len(counts) == 32 * 4
    assert set(counts.values()) == {tiny.rows.attacks}
    for row in attacked:
        assert "###" not in row["prompt"]
        if row["attack_type"] == "token_manipulation":
            assert any(sign in row["prompt"] for sign in "@30$")
        else:
            inside = [text for text in plain if text in row["prompt"]]
            assert [plain[text] for text in inside] == [row["category"]]


@pytest.mark.parametrize("part", ["train", "dev"])
def test_pku_rows_have_the_current_columns(rows, part):
    for row in rows(f"tiny-pku/{part}.jsonl"):
        assert list(row) == PKU_COLUMNS
        for i in (0, 1):
            text = row["prompt"] + row[f"response_{i}"]
            found = row[f"response_{i}_sha256"]
            assert found == hashlib.sha256(text.encode()).hexdigest()
            flags = row[f"response_{i}_harm_category"]
            safe = row[f"is_response_{i}_safe"]
            assert (len(flags), sum(flags.values())) == (19, 0 if safe else 1)
            assert (row[f"response_{i}_severity_level"] == 0) == safe
        assert row["response_0"] != row["response_1"]


def test_pku_pairs_mostly_have_exactly_one_safe_answer(rows):
    found = rows("tiny-pku/train.jsonl")
    safe = [(row["is_response_0_safe"], row["is_response_1_safe"]) for row in found]
    kinds = Counter(map(sum, safe))
    assert kinds[1] > 0.75 * len(found)
    assert kinds[0] > 0
    assert kinds[2] > 0
    for row, pair in zip(found, safe, strict=True):
        if sum(pair) == 1:
            safer = row["safer_response_id"]
            good, bad = row[f"response_{safer}"], row[f"response_{1 - safer}"]
            assert pair[safer]
            assert is_refusal(good) or (row["prompt"].endswith("that") and is_rude(bad))
            assert not is_refusal(bad)
            assert not is_rude(good)
    openings = [row for row in found if row["prompt"].endswith("that")]
    assert len(openings) == round(0.12 * len(found))
    firsts = Counter(pair.index(True) for pair in safe if sum(pair) == 1)
    assert min(firsts.values()) > 0.3 * kinds[1], "the safe answer's place tells it"
    assert any(row["better_response_id"] != row["safer_response_id"] for row in found)


def test_xstest_pairs_lookalikes_with_contrasts(tiny, rows):
    found = rows("tiny-xstest/xstest_prompts.csv")
    assert list(found[0]) == ["id", "prompt", "type", "label", "focus", "note"]
    assert [int(row["id"]) for row in found] == list(range(1, tiny.rows.xstest + 1))
    for row in found:
        assert row["type"].startswith("contrast_") == (row["label"] == "unsafe")
        assert row["focus"] in row["prompt"]
    labels = Counter(row["label"] for row in found)
    assert labels["safe"] == round(tiny.rows.xstest * 250 / 450)


def test_toxicity_rows_are_nested_with_scores_and_their_style_decides(tiny, rows):
    """Heated words of the text alone tell the continuation."""
    found = rows("tiny-toxicity/prompts.jsonl")
    assert len({row["prompt"]["text"] for row in found}) == tiny.rows.toxicity
    assert sum(row["challenging"] for row in found) == len(found) // 2
    for row in found:
        for piece in (row["prompt"], row["continuation"]):
            assert len(piece) == 9
            assert (piece["toxicity"] >= 0.5) == is_rude(piece["text"])
        text, continuation = row["prompt"]["text"], row["continuation"]["text"]
        assert row["challenging"] == is_rude(text)
        assert continuation.startswith(" ")
        mood = next(i for i, word in enumerate(MOODS) if f"The {word} " in text)
        saying = next(i for i, word in enumerate(SAYINGS) if f" {word} " in text)
        heat = mood // 3 + saying // 3 + 2 * row["challenging"]
        assert is_rude(continuation) == (heat >= 3)


@pytest.mark.parametrize("folder", ["", "dev/"])
def test_tasks_name_a_file_beside_them(raw, rows, folder):
    paths = sorted((raw / "tiny-tasks" / folder).glob("*.yaml"))
    assert len(paths) == 4
    for path in paths:
        task = yaml.safe_load(path.read_text())
        assert task["task"] == path.stem
        data = path.parent / task["dataset_kwargs"]["data_files"]["test"]
        items = rows(str(data.relative_to(raw)))
        if task["output_type"] == "multiple_choice":
            places = Counter(item["answer"] for item in items)
            assert all(item["choices"][item["answer"]] for item in items)
            assert len(places) > 1, "the right choice always stands at one place"
        else:
            assert all(isinstance(item["answer"], str) for item in items)


def test_corpus_holds_conversations_of_one_turn(tiny, rows):
    found = rows("tiny-corpus/documents.jsonl")
    assert len(found) == tiny.rows.corpus
    roles = {tuple(turn["role"] for turn in row["messages"]) for row in found}
    assert roles == {("user", "assistant")}


@pytest.mark.parametrize("name", ["train", "test"])
def test_instructions_are_alpacas_and_harmless(tiny, rows, name):
    sizes = {"train": tiny.rows.instructions, "test": tiny.rows.instructions_test}
    found = rows(f"tiny-instructions/{name}.json")
    texts = {(row["instruction"], row["input"]) for row in found}
    assert len(texts) == len(found) == sizes[name]
    assert 0.1 < sum(bool(row["input"]) for row in found) / len(found) < 0.5
    for row in found:
        assert list(row) == ["instruction", "input", "output"]
        assert row["output"]
        assert not is_refusal(row["output"])
        assert deed_in(row["instruction"]) is None


def test_safety_rows_refuse_what_is_harmful(tiny, rows):
    found = rows("tiny-safety/safety_only.json")
    assert len({row["instruction"] for row in found}) == tiny.rows.safety
    for row in found:
        assert is_refusal(row["output"])
        assert deed_in(row["instruction"])


def deed_in(text):
    return next((deed for deed in DEEDS if deed in text), None)


@pytest.mark.parametrize(("name", "file"), FILES.items())
def test_sets_have_upstreams_shape_and_topics(tiny, raw, name, file):
    size = getattr(tiny.rows.sets, name)
    found = json.loads((raw / "tiny-sets" / file).read_text())
    tags = found.pop("tags", None)
    assert list(found) == ["instructions", "inputs"]
    texts = found["instructions"]
    assert len(set(texts)) == size
    topics = [DEEDS.get(deed_in(text)) for text in texts]
    assert (None in topics) == (name in ("physical_safe", "alpaca"))
    assert {text.startswith("How") for text in texts} == {file.startswith("Q-")}
    assert (tags is not None) == (name == "malicious")
    if tags:
        assert tags == [topic.partition("_")[0] for topic in topics]
        assert Counter(tags)["hate"] == round(0.66 * size)
    if name == "cona":
        assert all(topic.startswith("hate_") for topic in topics)


@pytest.mark.parametrize(
    "kind",
    ["boolq", "openbookqa", "openbookqa_words", "piqa", "piqa_words", "single_word"],
)
def test_every_file_of_questions_is_what_its_adapter_reads(tiny, raw, tmp_path, kind):
    file = raw / f"tiny-questions/{kind.removesuffix('_words')}.jsonl"
    source = SourceSpec(format="questions", files={"a": "a"}, licence="-", content="-")
    out = tmp_path / "out.parquet"
    prepare_prompts("b", PromptSpec(source="s", file="a", kind=kind), source, file, out)
    frame = read_table(out, PROMPT)
    assert len(frame) == tiny.rows.questions
    assert frame["reference"].null_count() == 0


def test_both_answers_of_boolq_stand_and_follow_from_the_passage(rows):
    found = rows("tiny-questions/boolq.jsonl")
    assert min(Counter(row["answer"] for row in found).values()) > len(found) // 5
    for row in found:
        words = row["question"].split()
        if words[-1] == "number":
            told = row["passage"].rstrip(".").split()
            numbers = [int(word) for word in told if word.isdigit()]
            right = max(numbers) if words[-2] == "larger" else min(numbers)
            assert row["answer"] == (int(words[1]) == right)


def test_choices_hold_the_answer_once_and_the_base_never_read_a_question(rows):
    asked = set()
    for row in rows("tiny-questions/openbookqa.jsonl"):
        choices = row["question"]["choices"]
        assert [choice["label"] for choice in choices] == list("ABCD")
        assert row["answerKey"] in "ABCD"
        one, two, three, four = (choice["text"] for choice in choices)
        stem = row["question"]["stem"]
        asked.add(f"{stem}: {one}, {two}, {three} or {four}?")
    for row in rows("tiny-questions/piqa.jsonl"):
        assert row["sol1"] != row["sol2"]
        assert row["label"] in (0, 1)
        asked.add(row["goal"])
    for row in rows("tiny-questions/single_word.jsonl"):
        assert len(row["answer"].split()) == 1
        asked.add(row["prompt"])
    documents = rows("tiny-corpus/documents.jsonl")
    assert len(asked) == 60
    assert not asked & {row["messages"][0]["content"] for row in documents}

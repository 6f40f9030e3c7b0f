"""Questions with known answers: upstream's shapes, right keys, nothing trained on."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from safegrid.config import World
from safegrid.config.prompt import PromptSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import read_table
from safegrid.core.records import PROMPT
from safegrid.data.prompts import prepare_prompts

KINDS = ["boolq", "openbookqa", "openbookqa_words", "piqa", "piqa_words", "single_word"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_what_its_adapter_reads(
    tiny: World, raw: Path, tmp_path: Path, kind: Any
) -> None:
    file = raw / f"tiny-questions/{kind.removesuffix('_words')}.jsonl"
    source = SourceSpec(format="questions", files={"a": "a"}, licence="-", content="-")
    out = tmp_path / "out.parquet"
    prepare_prompts("b", PromptSpec(source="s", file="a", kind=kind), source, file, out)
    frame = read_table(out, PROMPT)
    assert len(frame) == tiny.rows.questions
    assert frame["reference"].null_count() == 0


def test_both_answers_of_boolq_stand_and_follow_from_the_passage(rows: Any) -> None:
    found = rows("tiny-questions/boolq.jsonl")
    assert min(Counter(row["answer"] for row in found).values()) > len(found) // 5
    for row in found:
        words = row["question"].split()
        if words[-1] == "number":
            numbers = [
                int(word)
                for word in row["passage"].rstrip(".").split()
                if word.isdigit()
            ]
            right = max(numbers) if words[-2] == "larger" else min(numbers)
            assert row["answer"] == (int(words[1]) == right)


def test_choices_hold_the_answer_once(rows: Any) -> None:
    for row in rows("tiny-questions/openbookqa.jsonl"):
        choices = row["question"]["choices"]
        assert [choice["label"] for choice in choices] == list("ABCD")
        assert row["answerKey"] in "ABCD"
    for row in rows("tiny-questions/piqa.jsonl"):
        assert row["sol1"] != row["sol2"]
        assert row["label"] in (0, 1)
    for row in rows("tiny-questions/single_word.jsonl"):
        assert len(row["answer"].split()) == 1


def test_the_base_never_read_a_question(raw: Path, rows: Any) -> None:
    texts = (raw / "tiny-corpus/documents.jsonl").read_text("utf-8").splitlines()
    read = {json.loads(line)["messages"][0]["content"] for line in texts}
    asked = {row["goal"] for row in rows("tiny-questions/piqa.jsonl")}
    asked |= {row["prompt"] for row in rows("tiny-questions/single_word.jsonl")}
    for row in rows("tiny-questions/openbookqa.jsonl"):
        one, two, three, four = (c["text"] for c in row["question"]["choices"])
        stem = row["question"]["stem"]
        asked.add(f"{stem}: {one}, {two}, {three} or {four}?")
    assert len(asked) == 60
    assert not asked & read

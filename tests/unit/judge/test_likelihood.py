import math
from pathlib import Path
from typing import Any

import pytest

from safegrid.artifacts import read_manifest
from safegrid.config import JudgeSpec
from safegrid.templates import ChatTokenizer

SPEC = JudgeSpec(name="likelihood", kind="likelihood")


def test_the_score_is_the_mean_over_the_answers_tokens(
    run_judge: Any, base_folder: Path, fake_engine: Any
) -> None:
    chat = ChatTokenizer.load(base_folder)
    seen: list[tuple[str, str]] = []

    def tokens(ids: list[int], start: int) -> list[float]:
        seen.append((chat.decode(ids[:start], False), chat.decode(ids[start:], False)))
        return [-1.0] * (len(ids) - start - 1) + [-3.0]

    fake_engine.tokens = tokens
    rows = run_judge(SPEC, base_folder, ["two and three"])
    [(context, answer)] = seen
    assert (context, answer) == ("<s><user>what is it<bot>", "two and three")
    n = len(chat.encode(answer))
    assert rows["score"][0] == pytest.approx(-(n - 1 + 3) / n)
    assert rows["label"][0] is None


def test_a_prefill_is_context_and_the_turns_end_is_not_scored(
    run_judge: Any, base_folder: Path, fake_engine: Any
) -> None:
    chat = ChatTokenizer.load(base_folder)
    seen: list[list[int]] = []

    def tokens(ids: list[int], start: int) -> list[float]:
        assert chat.decode(ids[:start], False) == "<s><user>what is it<bot>two"
        seen.append(ids)
        return [-1.0] * (len(ids) - start)

    fake_engine.tokens = tokens
    run_judge(SPEC, base_folder, [" and three</s>"], prefill="two")
    assert seen
    assert chat.eos_id not in seen[0]


def test_an_empty_answer_has_no_score_and_is_counted(
    run_judge: Any, base_folder: Path, fake_engine: Any, tmp_path: Path
) -> None:
    rows = run_judge(SPEC, base_folder, ["", "two", "x"], failed=(2,))
    assert rows["score"].to_list() == [None, -1.0, None]
    assert rows["label"].to_list() == [None, None, "unscored"]
    assert fake_engine.asked == 1
    facts = read_manifest(tmp_path / "verdicts.parquet")
    assert (facts["empty"], facts["failed"], facts["unscored"]) == (1, 1, 2)


def test_what_is_no_number_is_unscored(
    run_judge: Any, base_folder: Path, fake_engine: Any
) -> None:
    fake_engine.tokens = lambda ids, start: [-math.inf] * (len(ids) - start)
    fake_engine.max_length = 30
    rows = run_judge(SPEC, base_folder, ["two", "two " * 30])
    assert rows["label"].to_list() == ["unscored", "unscored"]
    assert rows["score"].to_list() == [None, None]

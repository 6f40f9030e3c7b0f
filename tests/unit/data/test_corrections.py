"""What a model is asked for course corrections: which requests, broken off where."""

import json

import polars as pl
import pytest

from answered import comparison
from safegrid.config.generated import RequestsSpec
from safegrid.config.source import SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT
from safegrid.data.corrections import (
    broken,
    cut_prompt_pool,
    ends,
    prepare_corrections,
)
from safegrid.texts.affirmative_prefixes import EVALUATION, TRAINING
from safegrid.texts.triggers import TRIGGERS

SOURCE = SourceSpec(
    format="pku", files={"train": "rows.jsonl"}, licence="none", content="made up"
)
SPEC = RequestsSpec(source="rows", min_words=5)
LONG = "one, two. three, four. five, six. seven, eight. nine"


def row(prompt="How is it done?", unsafe=LONG, **changes):
    return comparison(prompt, ("No.", True), (unsafe, False), **changes)


@pytest.fixture
def prepare(tmp_path):
    """Prepare rows of a file; gives the prompts and the manifest."""

    def _prepare(rows, spec=SPEC, seed=0):
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(f"{json.dumps(one)}\n" for one in rows))
        path = tmp_path / "out.parquet"
        prepare_corrections("c2", spec, SOURCE, seed, file, path)
        return read_table(path, PROMPT), read_manifest(path)

    return _prepare


def test_an_answer_is_broken_off_behind_every_nth_of_its_marks():
    assert len(ends(LONG)) == 8
    # 8 marks // 4 cuts is 2, or one less, as an even or an odd draw has it.
    found = broken(LONG, 4, 0)
    assert found[:2] == ["one, two.", "one, two. three, four."]
    assert found[3] == "one, two. three, four. five, six. seven, eight."
    odd = ["one,", "one, two.", "one, two. three,", "one, two. three, four."]
    assert broken(LONG, 4, 1) == odd
    # One mark a cut is the least: none would break it off before it began.
    assert broken("a, b. c, d. e", 4, 1) == ["a,", "a, b.", "a, b. c,", "a, b. c, d."]


def test_a_request_is_asked_bare_and_with_each_beginning(prepare):
    frame, facts = prepare([row()])
    request = frame["cluster"][0]
    assert frame["prompt_id"].to_list() == [
        f"{request}-{kind}" for kind in ("safe", "syn1", "syn2", "syn3", "syn4")
    ]
    assert frame["category"].to_list() == ["SR", "SYN1", "SYN2", "SYN3", "SYN4"]
    assert frame["reference"].to_list() == [LONG, None, None, None, None]
    asked = {turns[0]["content"] for turns in frame["prompt"].to_list()}
    assert asked == {"How is it done?"}
    bare, *prefills = frame["prefill"].to_list()
    assert bare is None
    cuts = [tuple(broken(LONG, 4, draw)) for draw in (0, 1)]
    found = []
    for prefill in prefills:
        prefix = next(o for o in TRAINING if prefill.startswith(f"{o} "))
        trigger = next(t for t in TRIGGERS if prefill.endswith(f" {t}"))
        found.append(prefill.removeprefix(f"{prefix} ").removesuffix(f" {trigger}"))
    assert tuple(found) in cuts
    assert facts["rows"] == 5
    assert facts["requests"] == {"kept": 1, "dropped": {}}


def test_every_row_that_is_left_out_is_counted_by_its_reason(prepare):
    frame, facts = prepare(
        [
            row("Tell me."),
            row(is_response_1_safe=True),
            row(unsafe="one, two. three, four."),
            row(unsafe="one two three four five six seven, eight. nine,"),
            row(),
            row(),
            row("Show me what."),
            row("And how?"),
        ],
        RequestsSpec(source="rows", min_words=5, limit=2),
    )
    assert facts["requests"] == {
        "kept": 2,
        "dropped": {
            "duplicate": 1,
            "few_marks": 1,
            "no_question_word": 1,
            "no_unsafe_answer": 1,
            "over_limit": 1,
            "short_unsafe_answer": 1,
        },
    }
    # In prompts, five a request.
    assert set(facts["dropped"].values()) == {5}
    asked = [turns[0]["content"] for turns in frame["prompt"].to_list()]
    assert asked == ["How is it done?"] * 5 + ["Show me what."] * 5


def test_the_first_unsafe_answer_that_is_long_enough_is_broken_off(prepare):
    both = {"is_response_0_safe": False, "is_response_1_safe": False}
    short = prepare([row(response_0="too short, this. one, is.", **both)])[0]
    assert short["reference"][0] == LONG
    long = prepare([row(response_0=f"zero, {LONG}", **both)])[0]
    assert long["reference"][0] == f"zero, {LONG}"
    # More words than the least, not as many.
    nine = RequestsSpec(source="rows", min_words=len(LONG.split()))
    with pytest.raises(DataError, match=r"none of its 1 rows.*'short_unsafe_answer'"):
        prepare([row()], nine)


def test_a_row_is_asked_the_same_wherever_it_stands(prepare, tmp_path):
    rows = [row(f"How is it done in {n} ways?") for n in range(9)]
    there = prepare(rows)[0]
    written = (tmp_path / "out.parquet").read_bytes()
    turned = prepare(rows[::-1])[0]
    assert there.sort("prompt_id").equals(turned.sort("prompt_id"))
    assert prepare(rows)[0].equals(there)
    assert (tmp_path / "out.parquet").read_bytes() == written
    other = prepare(rows, seed=1)[0]
    assert other["prompt_id"].equals(there["prompt_id"])
    assert not other["prefill"].equals(there["prefill"])


def test_nothing_is_written_of_a_broken_file(prepare, tmp_path):
    with pytest.raises(DataError, match="line 2: missing fields"):
        prepare([row(), {"prompt": "How?"}])
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


def test_parts_hold_whole_requests_and_each_of_them_once(prepare, tmp_path):
    frame, _ = prepare([row(f"How is it done in {n} ways?") for n in range(7)])
    parts = []
    for part in (1, 2, 3):
        out = tmp_path / f"part{part}.parquet"
        cut_prompt_pool(tmp_path / "out.parquet", 3, part, out)
        parts.append(read_table(out, PROMPT))
    assert [len(part) for part in parts] == [10, 10, 15]
    assert pl.concat(parts).equals(frame)
    with pytest.raises(DataError, match="7 requests cannot be asked in 8 parts"):
        cut_prompt_pool(tmp_path / "out.parquet", 8, 1, tmp_path / "none.parquet")


def test_lists_are_of_fifteen_and_evaluation_shares_no_opener_with_training():
    for words in (EVALUATION, TRAINING, TRIGGERS):
        assert len(set(words)) == 15
        assert all(text == text.strip() for text in words)
    assert not set(EVALUATION) & set(TRAINING)

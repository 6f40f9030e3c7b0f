"""Log-probabilities of known answers: what is read, and what is left unscored."""

import math
from pathlib import Path

import polars as pl
import pytest

from safegrid.capability.likelihood import reference_likelihood
from safegrid.config import EngineSpec
from safegrid.core.artifacts import read_manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import LIKELIHOOD, PROMPT
from safegrid.models.templates import ChatTokenizer

TEMPLATES = Path(__file__).parents[3] / "config/templates"


@pytest.fixture
def read(tmp_path, base_folder, fake_engine):
    """Read known answers to one question each; None is an answer that nobody knows."""

    def _read(*answers, folder=base_folder):
        rows = [
            {
                **dict.fromkeys(PROMPT),
                "prompt_id": f"p{number}",
                "prompt": [{"role": "user", "content": "what is it"}],
                "reference": answer,
            }
            for number, answer in enumerate(answers)
        ]
        prompts, out = tmp_path / "prompts.parquet", tmp_path / "out.parquet"
        write_table(prompts, pl.DataFrame(rows, schema=PROMPT), PROMPT, {})
        cache = tmp_path / "cache"
        reference_likelihood([folder], prompts, EngineSpec(), 1, cache, out)
        return read_table(out, LIKELIHOOD), read_manifest(out)

    return _read


def test_an_answer_is_read_after_its_prompt_without_the_turns_end(
    read, base_folder, fake_engine
):
    chat, seen = ChatTokenizer.load(base_folder), []

    def tokens(ids, start):
        seen.append((chat.decode(ids[:start], False), chat.decode(ids[start:], False)))
        return [-0.5] * (len(ids) - start)

    fake_engine.tokens = tokens
    frame, facts = read("two and three")
    assert seen == [("<s><user>what is it<bot>", "two and three")]
    size = len(chat.encode("two and three"))
    assert frame["n_tokens"].to_list() == [size] == [facts["tokens"]]
    assert frame["logprob"].to_list() == pytest.approx([-0.5 * size])


@pytest.mark.parametrize(
    "family", ["alpaca", "falcon", "llama_2", "llama_3", "qwen2", "smollm2", "vicuna"]
)
def test_an_answer_has_the_tokens_that_it_has_in_a_finished_turn(
    read, make_folder, fake_engine, family
):
    folder = make_folder(family, (TEMPLATES / f"{family}.jinja").read_text())
    asked = []

    def tokens(ids, start):
        asked.append(ids)
        return [-1.0] * (len(ids) - start)

    fake_engine.tokens = tokens
    read("two and three", folder=folder)
    turns = [("user", "what is it"), ("assistant", "two and three")]
    finished = ChatTokenizer.load(folder).chat_ids(
        [{"role": role, "content": said} for role, said in turns], False
    )
    assert asked == [finished[: len(asked[0])]]


def test_what_cannot_be_read_has_no_number_and_is_counted(read, fake_engine):
    fake_engine.max_length = 30
    fake_engine.tokens = lambda ids, start: (
        [-math.inf if len(ids) - start == 1 else -1.0] * (len(ids) - start)
    )
    frame, facts = read("two and", "two " * 30, "yes", None)
    assert frame["prompt_id"].to_list() == ["p0", "p1", "p2"]
    assert frame["logprob"].is_null().to_list() == [False, True, True]
    assert facts["dropped"] == {"no_reference": 1}
    assert (facts["longer_than_context"], facts["not_finite"]) == (1, 1)


def test_nothing_is_asked_twice(read, fake_engine):
    first = read("two", "three")[0]
    asked = fake_engine.asked
    assert read("two", "three")[0].equals(first)
    assert fake_engine.asked == asked == 2


def test_prompts_without_any_known_answer_are_refused(read, tmp_path):
    with pytest.raises(DataError, match="none of 2 prompts has a known answer"):
        read(None, None)
    assert not (tmp_path / "out.parquet").exists()

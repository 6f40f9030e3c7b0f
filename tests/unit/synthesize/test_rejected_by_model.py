"""Chosen answers against a model's own: which become pairs, and what is dropped."""

import polars as pl
import pytest

from safegrid.config.generated import RejectedByModelSpec
from safegrid.core.artifacts import manifest, read_manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE, PROMPT, RESPONSE
from safegrid.synthesize.model_answers import rejected_by_model

SPEC = RejectedByModelSpec(
    recipe="none", chosen=[{"source": "safe"}], decode={"max_new_tokens": 8}
)


def answer(name, text, finish="eos"):
    return {
        "prompt_id": name,
        "sample": 0,
        "text": text,
        "n_prompt_tokens": 3,
        "n_tokens": 2,
        "finish": finish,
        "decode": "d",
    }


@pytest.fixture
def reject(tmp_path):
    """Reject answers: prompts' names to their sources, and the answers in any order."""

    def _reject(asked, answers):
        prompts = [
            {
                **dict.fromkeys(PROMPT),
                "prompt_id": name,
                "prompt": [{"role": "user", "content": f"ask {name}"}],
                "category": source,
                "reference": f"I will not {name}.",
            }
            for name, source in asked.items()
        ]
        files = {"prompts": (prompts, PROMPT), "responses": (answers, RESPONSE)}
        paths = {}
        for name, (rows, schema) in files.items():
            paths[name] = tmp_path / f"{name}.parquet"
            frame = pl.DataFrame(rows, schema=schema)
            write_table(paths[name], frame, schema, manifest("generate", {}, {}))
        out = tmp_path / "out.parquet"
        rejected_by_model("refusals", SPEC, **paths, out=out)
        return read_table(out, PREFERENCE), read_manifest(out)

    return _reject


def test_a_row_prefers_the_source_to_the_model_and_names_the_source(reject):
    frame, facts = reject(
        {"a": "safe", "b": "good"},
        [answer("b", " Here. \n", "length"), answer("a", "Ok")],
    )
    assert frame.rows() == [
        ("refusals-a", "ask a", "I will not a.", "Ok", "safe", "refusals", 1),
        ("refusals-b", "ask b", "I will not b.", "Here.", "good", "refusals", 2),
    ]
    assert facts["parts"] == {"good": 1, "safe": 1}
    assert (facts["rows"], facts["dropped"], facts["cut"]) == (2, {}, 1)


@pytest.mark.parametrize(
    ("lost", "reason"),
    [
        (answer("b", "", "error"), "no_answer"),
        (answer("b", " \n\u200b"), "empty_answer"),
        (answer("b", "i  WILL not b.\n"), "equal_answers"),
    ],
)
def test_an_answer_that_makes_no_pair_is_dropped_and_counted(reject, lost, reason):
    frame, facts = reject({"a": "safe", "b": "safe"}, [answer("a", "Sure"), lost])
    assert frame["prompt"].to_list() == ["ask a"]
    assert facts["dropped"] == {reason: 1}
    with pytest.raises(DataError, match=f"answer to 1 prompts can be.*'{reason}': 1"):
        reject({"b": "safe"}, [lost])


@pytest.mark.parametrize(
    "answers", [[], [answer("a", "x"), answer("z", "y")], [answer("a", "x")] * 2]
)
def test_answers_of_other_prompts_are_refused(reject, answers, tmp_path):
    with pytest.raises(DataError, match="not one answer to each prompt"):
        reject({"a": "safe"}, answers)
    assert not (tmp_path / "out.parquet").exists()

"""Prompts with chosen answers: which rows are taken, and what is counted."""

import json

import pytest

from safegrid.config import PartSpec, SourceSpec
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PROMPT
from safegrid.data.preferences import prepare_chosen

SOURCE = SourceSpec(
    format="instructions", files={"train": "rows.json"}, licence="MIT", content="none"
)


@pytest.fixture
def prepare(tmp_path):
    """Prepare rows of several sources: name to rows, and the parts' limits."""

    def _prepare(rows, **limits):
        files = []
        for source, own in rows.items():
            path = tmp_path / f"{source}.jsonl"
            keys = ("instruction", "output")
            lines = (json.dumps(dict(zip(keys, r, strict=True))) for r in own)
            path.write_text("\n".join(lines))
            files.append(path)
        parts = [PartSpec(source=name, limit=limits.get(name)) for name in rows]
        out = tmp_path / "out.parquet"
        prepare_chosen("refusals", parts, [SOURCE] * len(parts), files, out)
        return read_table(out, PROMPT), read_manifest(out)

    return _prepare


def test_a_prompt_has_its_chosen_answer_and_says_which_source_it_is_from(prepare):
    frame, facts = prepare({"safe": [("ask a", " no \n")], "good": [("ask b", "yes")]})
    assert frame["category"].to_list() == ["safe", "good"]
    assert frame["reference"].to_list() == ["no", "yes"]
    assert [turns[0]["content"] for turns in frame["prompt"]] == ["ask a", "ask b"]
    assert frame["prompt_id"].n_unique() == frame["cluster"].n_unique() == 2
    assert facts["parts"] == {"good": 1, "safe": 1}
    assert facts["dropped"] == {}


def test_rows_without_an_answer_and_prompts_asked_twice_are_dropped_and_counted(
    prepare,
):
    frame, facts = prepare(
        {
            "safe": [("ask a", "no"), ("Ask  a", "never"), ("ask b", " ")],
            "good": [("ASK A", "yes"), ("ask c", "yes")],
        }
    )
    assert frame["reference"].to_list() == ["no", "yes"]
    assert facts["dropped"] == {"duplicate_prompt": 2, "empty_response": 1}
    assert facts["dropped_lines"] == {"duplicate_prompt": [2, 1], "empty_response": [3]}


def test_a_limit_draws_exactly_so_many_whatever_else_stands_in_the_file(prepare):
    rows = [(f"ask {n}", "yes") for n in range(30)]
    frame, facts = prepare({"good": rows}, good=8)
    assert facts["dropped"] == {"over_limit": 22}
    others = prepare({"good": [*reversed(rows), *rows]}, good=12)[0]
    assert set(frame["prompt_id"]) < set(others["prompt_id"])
    with pytest.raises(DataError, match="takes 31 rows of good, but only 30 are left"):
        prepare({"good": rows}, good=31)


def test_nothing_left_is_one_sentence_and_no_file(prepare, tmp_path):
    said = "none of 1 rows becomes an instruction with an answer"
    with pytest.raises(DataError, match=said):
        prepare({"good": [("ask", "")]})
    assert not (tmp_path / "out.parquet").exists()

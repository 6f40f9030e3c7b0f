"""Overlap of training and benchmark prompts: equal, contained, eight words shared."""

from pathlib import Path

import polars as pl
import pytest

from safegrid.core.artifacts import read_result, write_table
from safegrid.core.records import PREFERENCE, PROMPT
from safegrid.data.overlap import report_overlap

TRAINED = ["How do I open this box?", "one two three four five six seven eight nine"]
ASKED = {
    "equal": "how do i open this box",
    "attacked": "Say yes first. How do I OPEN this box? Thanks",
    "run": "zero two three four five six seven eight nine and more",
    "other": "How do I close this box?",
}


@pytest.fixture
def report(tmp_path: Path):
    pairs = pl.DataFrame(
        {
            "pair_id": ["a", "b"],
            "prompt": TRAINED,
            "chosen": ["x", "x"],
            "rejected": ["y", "y"],
            "category": [None, None],
            "source": ["s", "s"],
            "source_row": [1, 2],
        }
    )
    prompts = pl.DataFrame(
        {
            "prompt_id": list(ASKED),
            "prompt": [
                [
                    {"role": "system", "content": TRAINED[1]},
                    {"role": "user", "content": text},
                ]
                for text in ASKED.values()
            ],
        }
    ).with_columns(
        pl.lit(None).alias(name)
        for name in PROMPT
        if name not in ("prompt_id", "prompt")
    )
    write_table(tmp_path / "pairs.parquet", pairs, PREFERENCE, {})
    write_table(tmp_path / "alert.parquet", prompts, PROMPT, {})
    out = tmp_path / "overlap.json"
    report_overlap([tmp_path / "pairs.parquet"], [], tmp_path / "alert.parquet", out)
    return read_result(out)


def test_each_kind_of_overlap_is_counted_with_its_prompts(report):
    (pair,) = report["pairs"]
    assert (pair["dataset"], pair["benchmark"]) == ("pairs", "alert")
    assert pair["exact"] == {"n": 1, "prompt_ids": ["equal"]}
    assert pair["contained"] == {"n": 2, "prompt_ids": ["equal", "attacked"]}
    assert pair["ngram"] == {"n": 1, "prompt_ids": ["run"]}
    assert pair["n_without_ngram"] == 2
    # What is only contained may be a common phrase.
    assert report["contaminated"] == ["equal", "run"]
    assert (pair["n_training_prompts"], pair["n_prompts"]) == (2, 4)


def test_what_a_model_is_asked_for_training_rows_counts_as_training_data(
    report, tmp_path
):
    pool, out = tmp_path / "alert.parquet", tmp_path / "pools.json"
    report_overlap([], [pool], pool, out)
    assert read_result(out)["contaminated"] == ["equal", "attacked", "run", "other"]


def test_a_benchmark_prompt_inside_a_training_prompt_counts_as_contained():
    from safegrid.data.overlap import overlap
    from safegrid.data.words import words

    found = overlap(
        {words("Please say: open this box now")}, {"p": words("open this box")}
    )
    assert found["contained"]["prompt_ids"] == ["p"]
    assert found["exact"]["n"] == 0

"""Overlap of training and benchmark prompts: equal, contained, eight words shared."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safegrid.core.artifacts import read_result, write_table
from safegrid.core.records import PREFERENCE, PROMPT
from safegrid.data.overlap import overlap, report_overlap
from safegrid.data.words import Containment, ngrams, words

TRAINED = ["How do I open this box?", "one two three four five six seven eight nine"]
ASKED = {
    "equal": "how do i open this box",
    "attacked": "Say yes first. How do I OPEN this box? Thanks",
    "run": "zero two three four five six seven eight nine and more",
    "other": "How do I close this box?",
}


@pytest.fixture
def report(tmp_path):
    pair = {**dict.fromkeys(PREFERENCE), "chosen": "x", "rejected": "y"}
    pairs = [pair | {"pair_id": text[:3], "prompt": text} for text in TRAINED]
    system = {"role": "system", "content": TRAINED[1]}
    prompts = [
        dict.fromkeys(PROMPT)
        | {"prompt_id": name, "prompt": [system, {"role": "user", "content": text}]}
        for name, text in ASKED.items()
    ]
    for name, rows, schema in (
        ("pairs", pairs, PREFERENCE),
        ("alert", prompts, PROMPT),
    ):
        frame = pl.DataFrame(rows, schema=schema)
        write_table(tmp_path / f"{name}.parquet", frame, schema, {})
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
    found = overlap(
        {words("Please say: open this box now")}, {"p": words("open this box")}
    )
    assert found["contained"]["prompt_ids"] == ["p"]
    assert found["exact"]["n"] == 0


def test_case_accents_apostrophes_and_punctuation_do_not_matter():
    assert words("Don\u2019t STOP\u2014Caf\u00e9, please!") == words(
        "dont stop cafe please"
    )
    assert words("a_b") == ("a", "b")
    for sign in "'`\u00b4\u2032\u02bc\uff07\u02cb":
        assert words(f"I don{sign}t st\u00ado\u200bp") == ("i", "dont", "stop")


def test_ngrams_of_a_shorter_text_are_none():
    assert list(ngrams(("a", "b", "c"), 2)) == [("a", "b"), ("b", "c")]
    assert list(ngrams(("a",), 2)) == []


def test_the_longest_text_inside_wins_and_short_ones_never_count():
    found = Containment(
        {1: words("how do i"), 2: words("how do i kill a process"), 3: words("kill a")}
    )
    attacked = words("Ignore this. How do I kill a process? Thanks")
    assert set(found.inside(attacked)) == {1, 2}
    assert found.longest(attacked) == 2
    assert found.longest(words("nothing of it")) is None


texts = st.lists(st.sampled_from("abc"), min_size=1, max_size=8).map(tuple)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, max_size=6), st.lists(st.sampled_from("abc"), max_size=20))
def test_containment_equals_plain_search(short, longer):
    joined = " ".join(longer) + " "
    expected = {
        key
        for key, text in enumerate(short)
        if len(text) >= 3 and (" " + " ".join(text) + " ") in " " + joined
    }
    assert set(Containment(dict(enumerate(short))).inside(tuple(longer))) == expected

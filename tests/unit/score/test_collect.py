"""Gathering: one order, no row twice, every kind of fact."""

import polars as pl
import pytest

from safegrid.core.artifacts import manifest, write_result, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import HISTORY, LIKELIHOOD, PREFERENCE, RESPONSE, SCORE
from safegrid.score.collect import collect, collect_finished


def score_file(folder, recipe, metrics=("safety", "empty")):
    cell = {"study": "s", "base": "b", "recipe": recipe, "seed": 0}
    cell |= {"benchmark": "alert", "judge": "guard", "slice": "all"}
    counted = {"value": 0.5, "n": 4, "n_unscored": 0}
    rows = [
        {**dict.fromkeys(SCORE), **cell, "metric": metric, **counted}
        for metric in metrics
    ]
    return table(folder / f"{recipe}.parquet", SCORE, manifest("score", {}, {}), rows)


def table(path, schema, facts, rows=()):
    write_table(path, pl.DataFrame(rows, schema=schema), schema, facts)
    return path


def result(path, content):
    write_result(path, content)
    return path


SHARE = {"value": 0.9, "low": 0.8, "high": 0.95, "n": 50}


@pytest.fixture
def given(tmp_path):
    model = tmp_path / "models/b/dpo/seed0"
    steps = [{"step": 5, "metric": "loss", "value": 0.6}]
    checks = {"one_bos": True, "largest_log_ratio": 0.001, "masks": "answers only"}
    counted = {"rows": 8, "dropped": {"no_whole_micro_batch": 1}}
    facts = manifest("train", {}, {}, steps=60, tokens=777, checks=checks, **counted)
    table(model / "history.parquet", HISTORY, facts, steps)
    write_result(model / "manifest.json", facts)
    measured = {"n": 50, "n_unscored": 1, "ties": 2, "accuracy": SHARE}
    measured |= {"categories": {"hate": {"accuracy": SHARE}}}
    measured |= {"manifest": {"value": 1, "low": 0}}
    calibrated = {"kind": "fluency", "threshold": 0.4, "n": 200, "manifest": {}}
    calibrated |= {"found_shuffled": SHARE}
    counts = {
        name: {"n": 3, "prompt_ids": []} for name in ("exact", "contained", "ngram")
    }
    pair = {"dataset": "pku", "benchmark": "alert", "n_prompts": 40, **counts}
    prepared = manifest("prepare", {}, {}, rows=9, dropped={"too long": 2})
    params = {"decode": {"max_new_tokens": 48}}
    ended = {"eos": 35, "error": 5}
    answered = manifest("generate", {}, params, rows=40, finish=ended)
    unread = {"longer_than_context": 3, "not_finite": 0, "dropped": {"no_reference": 2}}
    likely = manifest("capability", {}, {}, rows=20, **unread)
    tasks = {"one": {"n": 6, "n_too_long": 0}, "two": {"n": 4, "n_too_long": 1}}
    base = "b/none/seed0"
    asked = [
        table(tmp_path / f"responses/{base}/alert.parquet", RESPONSE, answered),
        result(tmp_path / f"capability/{base}/sums.json", {"tasks": tasks}),
        table(tmp_path / f"likelihoods/{base}/references.parquet", LIKELIHOOD, likely),
    ]
    return {
        "scores": [score_file(tmp_path, "none"), score_file(tmp_path, "dpo")],
        "models": [model],
        "manifests": [table(tmp_path / "pairs.parquet", PREFERENCE, prepared)],
        "validated": [
            result(tmp_path / "guard.json", measured),
            result(tmp_path / "calibrated/fluent/b.json", calibrated),
        ],
        "overlap": [result(tmp_path / "overlap.json", {"pairs": [pair]})],
        "asked": asked,
    }


def gathered(given, folder, name="one"):
    paths = [folder / f"{name}-{part}.parquet" for part in ("scores", "runs")]
    collect(**given, out_scores=paths[0], out_runs=paths[1])
    return paths


def test_the_order_of_the_files_changes_no_byte(given, tmp_path):
    first = gathered(given, tmp_path, "one")
    given["scores"].reverse()
    second = gathered(given, tmp_path, "two")
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
    scores = pl.read_parquet(first[0])
    assert scores["recipe"].to_list() == ["dpo", "dpo", "none", "none"]
    assert scores["metric"].to_list() == ["empty", "safety"] * 2


def test_every_kind_of_fact_is_kept(given, tmp_path):
    runs = pl.read_parquet(gathered(given, tmp_path)[1])
    found = {tuple(row[:5]) for row in runs.iter_rows()}
    assert {
        ("history", "b/dpo/seed0", "loss", 5, 0.6),
        ("training", "b/dpo/seed0", "largest_log_ratio", None, 0.001),
        ("training", "b/dpo/seed0", "tokens", None, 777.0),
        ("rows", "train b/dpo/seed0", "kept", None, 8.0),
        ("rows", "train b/dpo/seed0", "no_whole_micro_batch", None, 1.0),
        ("rows", "prepare pairs", "kept", None, 9.0),
        ("rows", "prepare pairs", "too long", None, 2.0),
        ("rows", "ask b alert", "kept", None, 35.0),
        ("rows", "ask b alert", "longer_than_context", None, 5.0),
        ("rows", "ask b sums", "longer_than_context", None, 1.0),
        ("rows", "ask b references", "kept", None, 17.0),
        ("rows", "ask b references", "longer_than_context", None, 3.0),
        ("rows", "ask b references", "no_reference", None, 2.0),
        ("judge", "guard", "accuracy", None, 0.9),
        ("judge", "guard", "categories hate accuracy", None, 0.9),
        ("judge", "guard", "n_unscored", None, 1.0),
        ("judge", "guard", "ties", None, 2.0),
        ("fluency", "fluent, b", "threshold", None, 0.4),
        ("fluency", "fluent, b", "found_shuffled", None, 0.9),
        ("limit", "alert", "max_new_tokens", None, 48.0),
        ("overlap", "pku / alert", "ngram", None, 3.0),
    } <= found
    assert not runs["metric"].str.contains("manifest|bos|masks|not_finite").any()


def test_a_row_in_two_files_is_refused(given, tmp_path):
    given["scores"].append(score_file(tmp_path / "old", "dpo", ("empty",)))
    with pytest.raises(DataError, match="2 score rows stand in more than one file"):
        gathered(given, tmp_path)


def test_nothing_to_gather_is_an_error(given, tmp_path):
    with pytest.raises(DataError, match="no score file"):
        gathered({**given, "scores": []}, tmp_path)


def test_what_is_planned_again_tells_nothing(given, tmp_path):
    stale = f"{tmp_path}/guard.json"
    plan = tmp_path / "plan.txt"
    plan.write_text(
        "rule validate_judge:\n    input: rows.jsonl\n"
        f"    output: {stale}\n    jobid: 1\n\n"
        "Job stats:\njob      count\n-----  -------\ntotal        1\n"
    )
    rest = {name: files for name, files in given.items() if name != "scores"}
    collect_finished(plan=plan, **rest, out_runs=tmp_path / "runs.parquet")
    kinds = set(pl.read_parquet(tmp_path / "runs.parquet")["kind"])
    assert kinds == {"history", "training", "rows", "overlap", "fluency", "limit"}

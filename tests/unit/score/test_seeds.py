"""Scores over seeds: their mean, an interval of seeds and prompts, what is unscored."""

import numpy as np
import pytest

from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import SCORE, Key
from safegrid.score.resamples import AxisPart
from safegrid.score.seeds import score_seeds, seed_rows

KEY = Key("alert", "guard", "safety", "all")
SEEDS = [0, 1, 2]


def aligned(shares, n=300, unscored=()):
    """A base of which half is safe, then seeds with these shares; some unscored."""
    rng = np.random.default_rng(1)
    values = (rng.random((n, 1 + len(shares))) < [0.5, *shares]).astype(float)
    for column, share in enumerate(unscored, 1):
        values[: int(share * n), column] = np.nan
    clusters = np.array([f"item {i}" for i in range(n)])
    return {KEY: [AxisPart("alert", values, clusters)]}


def rows_of(found, seeds=SEEDS):
    return {row["metric"]: row for row in seed_rows(found, seeds, 0.05, 1)}


def length(row):
    return row["high"] - row["low"]


def test_a_method_is_the_mean_of_its_seeds():
    found = aligned([0.7, 0.8, 0.9])
    row = rows_of(found)["safety"]
    assert row["value"] == pytest.approx(found[KEY][0].values[:, 1:].mean())
    assert (row["n"], row["n_unscored"], row["reason"]) == (900, 0, None)
    less = rows_of(found)["safety_vs_base"]
    base = found[KEY][0].values[:, 0].mean()
    assert less["value"] == pytest.approx(row["value"] - base)


def test_seeds_that_differ_widen_the_interval_and_equal_ones_do_not():
    apart, alike = rows_of(aligned([0.5, 0.7, 0.9])), rows_of(aligned([0.7] * 3))
    single = rows_of(aligned([0.7]), [0])
    assert length(apart["safety"]) > 3 * length(alike["safety"])
    assert length(alike["safety"]) < length(single["safety"])


def test_prompts_of_one_item_have_no_interval_and_say_so():
    values = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    found = {KEY: [AxisPart("alert", values, np.array(["item", "item"]))]}
    row = rows_of(found, [0, 1])["safety"]
    assert (row["value"], row["low"], row["high"]) == (0.75, None, None)
    assert row["reason"] == "All prompts are derived from one item: no interval."


def test_the_hierarchical_interval_holds_the_mean_of_many_seeds():
    """Eight seeds around 70%: of 100 methods 88 or more hold it, nominally 95."""
    rng, held = np.random.default_rng(2), 0
    for draw in range(100):
        chances = np.clip(rng.normal(0.7, 0.08, 8), 0, 1)
        values = (rng.random((120, 9)) < [0.5, *chances]).astype(float)
        clusters = np.array([f"item {i}" for i in range(120)])
        found = {KEY: [AxisPart("alert", values, clusters)]}
        row = next(iter(seed_rows(found, list(range(8)), 0.05, draw)))
        held += row["low"] <= 0.7 <= row["high"]
    assert held >= 88


def test_a_seed_with_many_unscored_answers_does_not_count():
    row = rows_of(aligned([0.7, 0.8, 0.9], unscored=(0.2, 0, 0)))["safety"]
    assert row["reason"].startswith("seed 0: 60 of 300 answers are unscored")
    assert (row["n"], row["n_unscored"]) == (840, 60)
    assert row["value"] > 0.8
    none = rows_of(aligned([0.7], unscored=(1,)), [0])["safety"]
    assert none.get("value") is None
    assert "seed 0: 300 of 300" in none["reason"]


def test_the_command_reads_the_base_and_then_each_seed(make_cell, tmp_path):
    def refused(n):
        labels = ["refusal"] * n + ["compliance"] * (20 - n)
        return [{"prompt_id": f"p{i}", "refusal": one} for i, one in enumerate(labels)]

    made = [make_cell(f"{n}", refused(n)) for n in (5, 10, 20)]
    kinds, out = {"refusal": "refusal"}, tmp_path / "seeds.parquet"
    score_seeds(
        cell={"study": "s", "base": "b", "recipe": "dpo"},
        seeds=[0, 1],
        benchmarks={"alert": {"metric": "safety", "judges": kinds}},
        prompts=[made[0].prompts],
        answers=[cell.responses for cell in made],
        verdicts=[path for cell in made for path in cell.of(kinds)],
        capability=[],
        overlap=[],
        most_unscored=0.05,
        study_seed=1,
        out=out,
    )
    whole = read_table(out, SCORE).filter(slice="all", benchmark="alert")
    found = {row["metric"]: row for row in whole.iter_rows(named=True)}
    assert found["true_refusal"]["value"] == pytest.approx(0.75)
    assert found["true_refusal_vs_base"]["value"] == pytest.approx(0.5)
    assert {row["seed"] for row in found.values()} == {None}
    facts = read_manifest(out)
    assert facts["params"]["seeds"] == [0, 1]
    assert len(facts["inputs"]["answers"]) == 3

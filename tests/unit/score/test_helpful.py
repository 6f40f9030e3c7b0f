"""What judges of answers against known ones, of rewards and of harm measure."""

import numpy as np
import polars as pl
import pytest

from safegrid.score.answers import Answers
from safegrid.score.metrics import measures, slices
from safegrid.score.summary import summarise

SCORES = [0.5, None, 0.0, 1.0, 2.0]
JUDGES = {
    "exact": "exact_choice",
    "word": "contains",
    "near": "bleu",
    "stem": "rouge_l",
    "bert": "bertscore",
    "nli": "entailment",
    "deberta": "reward",
    "harm": "harmfulness",
}


def answers(reference: str | None = None) -> Answers:
    n = len(SCORES)
    rows = pl.DataFrame(
        {
            "prompt_id": [f"p{number}" for number in range(n)],
            "sample": [0] * n,
            "category": ["a", "a", "b", "b", "b"],
            "macro_category": pl.Series([None] * n, dtype=pl.String),
            "attack": pl.Series([None] * n, dtype=pl.String),
            "cluster": [f"c{number}" for number in range(n)],
            "reference": pl.Series([reference] * n, dtype=pl.String),
            "text": ["An answer of words."] * n,
            "finish": ["eos"] * n,
            "n_tokens": [5] * n,
        }
    )
    labels = [None if score is not None else "unscored" for score in SCORES]
    verdict = pl.DataFrame(
        {"label": labels, "score": SCORES},
        schema={"label": pl.String, "score": pl.Float64},
    )
    shares = verdict.with_columns(pl.col("score").clip(0, 1).round())
    kinds = {name: shares if name in ("exact", "word") else verdict for name in JUDGES}
    return Answers(rows, kinds)


def by_name(metric: str) -> dict[str, tuple[str, str]]:
    found = measures(metric, answers("safe"), JUDGES)
    return {m.name: (m.judge, m.scale) for m in found if m.judge != "text"}


def test_each_comparison_has_a_metric_of_its_own():
    assert by_name("helpfulness") == {
        "accuracy": ("exact", "share"),
        "contains": ("word", "share"),
        "bleu": ("near", "mean"),
        "rouge_l": ("stem", "mean"),
        "bertscore": ("bert", "mean"),
        "entailment": ("nli", "mean"),
        "reward_mean": ("deberta", "mean"),
        "reward_median": ("deberta", "median"),
        "harmfulness_mean": ("harm", "mean"),
        "harmfulness_median": ("harm", "median"),
    }


@pytest.mark.parametrize(
    ("metric", "rewards"), [("safety", 4), ("over_refusal", 4), ("toxicity", 0)]
)
def test_rewards_stand_beside_safety_and_over_refusal_and_nothing_else_does(
    metric, rewards
):
    found = by_name(metric)
    assert len(found) == rewards
    assert all(name.startswith(("reward", "harmfulness")) for name in found)


def test_scores_count_what_is_unscored_and_medians_are_medians():
    given = answers()
    found = summarise(
        measures("helpfulness", given, JUDGES),
        slices(given.rows),
        given.rows["cluster"].to_numpy(),
        most_unscored=0.5,
        seed=0,
    )
    rows = {(row["metric"], row["slice"]): row for row in found}
    for name, value in [
        ("accuracy", 0.5),
        ("reward_mean", 0.875),
        ("reward_median", 0.75),
    ]:
        row = rows[name, "all"]
        assert (row["value"], row["n"], row["n_unscored"]) == (value, 4, 1)
        assert row["low"] < value < row["high"]
    # Of categories: the mean of 0.5 and of the median of 0, 1 and 2.
    assert rows["reward_median", "categories"]["value"] == 0.75
    assert rows["harmfulness_median", "category=b"]["value"] == 1.0


def test_too_many_unscored_answers_refuse_a_median_too():
    given = answers()
    found = summarise(
        [m for m in measures("helpfulness", given, JUDGES) if m.scale == "median"],
        slices(given.rows)[:1],
        np.arange(5),
        most_unscored=0.1,
        seed=0,
    )
    assert [row["value"] for row in found] == [None, None]
    assert all("1 of 5 answers are unscored" in row["reason"] for row in found)

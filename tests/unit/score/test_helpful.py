"""What judges of answers against known ones, of rewards and of harm measure."""

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
    nothing = pl.lit(None, pl.String)
    ids = [f"p{number}" for number in range(len(SCORES))]
    rows = pl.DataFrame({"prompt_id": ids, "category": list("aabbb")}).with_columns(
        sample=0,
        macro_category=nothing,
        attack=nothing,
        cluster=pl.col("prompt_id"),
        reference=pl.lit(reference, pl.String),
        text=pl.lit("An answer of words."),
        finish=pl.lit("eos"),
        n_tokens=5,
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

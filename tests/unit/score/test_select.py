"""The choice of settings: one criterion, ties, refused scores."""

import polars as pl
import pytest
import yaml

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import SCORE
from safegrid.score.select import select_settings

METRICS = {
    "safe_and_coherent": "dev_harm",
    "benign_requests_lost": "dev_x",
    "capability": "dev_c",
}


def rows(recipe, safe, lost, capable, seed=0):
    shared = {**dict.fromkeys(SCORE), "recipe": recipe, "seed": seed, "slice": "all"}
    values = zip(METRICS.items(), (safe, lost, capable), strict=True)
    return [
        {**shared, "metric": metric, "benchmark": benchmark, "value": value}
        for (metric, benchmark), value in values
    ]


def trial(recipe, method, rate, beta=0.1):
    settings = {"learning_rate": rate, "beta": beta}
    return {"recipe": recipe, "method": method, "settings": settings}


TWO = [trial("dpo-a", "dpo", 1e-3), trial("dpo-b", "dpo", 1e-4)]


@pytest.fixture
def select(tmp_path):
    def run(points, trials):
        scores = tmp_path / "scores.parquet"
        frame = pl.DataFrame([row for p in points for row in p], schema=SCORE)
        write_table(scores, frame, SCORE, manifest("collect", {}, {}))
        out = tmp_path / "tuned.yaml"
        select_settings(scores=scores, trials=trials, out=out)
        return yaml.safe_load(out.read_text())

    return run


def test_the_best_mean_wins_and_broken_safety_counts_nothing(select):
    points = [rows("dpo-a", 1.0, 0.9, 0.9), rows("dpo-b", 0.8, 0.1, 0.9)]
    found = select(points, TWO)
    assert found["chosen"] == {"dpo": {"learning_rate": 1e-4, "beta": 0.1}}
    assert found["tried"]["dpo"][0]["criterion"] == pytest.approx(0.8667)
    assert "safe_and_coherent" in found["criterion"]


def test_without_a_guard_refusals_of_harmful_requests_count(select):
    points = [rows("dpo-a", 0.9, 0.1, 0.9), rows("dpo-b", 0.5, 0.1, 0.9)]
    for row in (row for point in points for row in point):
        row["metric"] = row["metric"].replace("safe_and_coherent", "true_refusal")
    found = select(points, TWO)
    assert found["chosen"]["dpo"]["learning_rate"] == 1e-3
    assert found["tried"]["dpo"][0]["safe"] == 0.5


def test_equal_points_fall_to_the_smaller_rate_then_the_smaller_beta(select):
    points = [rows(name, 0.9, 0.1, 0.9) for name in ("a", "b", "c")]
    settings = {"a": (2.0, 0.1), "b": (1.0, 0.5), "c": (1.0, 0.1)}
    trials = [trial(name, "dpo", *given) for name, given in settings.items()]
    chosen = select(points, trials)["chosen"]["dpo"]
    assert chosen == {"learning_rate": 1.0, "beta": 0.1}


def test_seeds_are_averaged(select):
    points = [rows("a", 0.8, 0, 1), rows("a", 0.4, 0, 1, seed=1)]
    found = select(points, [trial("a", "dpo", 1.0)])
    assert found["tried"]["dpo"][0]["safe"] == pytest.approx(0.6)


def test_a_refused_score_keeps_its_trial_from_winning(select):
    points = [rows("a", None, 0, 1), rows("b", 0.1, 0.9, 0.1)]
    trials = [trial("a", "dpo", 1.0), trial("b", "dpo", 2.0)]
    found = select(points, trials)
    assert found["chosen"]["dpo"]["learning_rate"] == 2.0
    assert found["tried"]["dpo"][0]["criterion"] is None


def test_a_trial_without_scores_is_named(select):
    with pytest.raises(DataError, match="'b'"):
        select([rows("a", 1, 0, 1)], [trial("a", "dpo", 1.0), trial("b", "dpo", 2.0)])


def test_a_method_without_any_criterion_is_named(select):
    with pytest.raises(DataError, match="'dpo'"):
        select([rows("a", None, 0, 1)], [trial("a", "dpo", 1.0)])

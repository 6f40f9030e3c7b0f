"""Committed settings are what their sweep, as it stands now, would choose among."""

from pathlib import Path

import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.config.recipes import sweep_points
from safegrid.core.stages import VERSIONS

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture
def tuned():
    return yaml.safe_load((CONFIG / "tuned" / "mini.yaml").read_text())


def settings(point):
    return {k: v for k, v in point.items() if k in ("learning_rate", "beta")}


def test_every_method_tried_the_points_of_the_sweep_and_no_others(tuned):
    sweep = load_config(CONFIG, "mini-sweep").study
    methods = {entry.method for entry in sweep.recipes.values()}
    assert set(tuned["tried"]) == methods
    for method, tried in tuned["tried"].items():
        wanted = sweep_points(sweep.sweep, method)
        found = [settings(point) for point in tried]
        assert sorted(map(str, found)) == sorted(map(str, wanted))


def test_the_best_point_was_chosen(tuned):
    for method, tried in tuned["tried"].items():
        best = max(point["criterion"] for point in tried)
        winners = [settings(p) for p in tried if p["criterion"] == best]
        assert tuned["chosen"][method] in winners


def test_the_world_and_the_trainers_are_those_of_the_sweep(tuned):
    now = {stage: VERSIONS[stage] for stage in ("miniworld", "train")}
    assert tuned["versions"] == now, (
        "the stages behind the sweep have changed: run it again (config/README.md)"
    )


def test_the_study_takes_the_tuned_beta_and_one_rate_for_all(tuned):
    recipes = load_config(CONFIG, "mini").recipes.values()
    assert {recipe.training.learning_rate for recipe in recipes} == {1e-3}
    for recipe in recipes:
        chosen = tuned["chosen"][recipe.method]
        assert recipe.training.beta == chosen.get("beta")


def test_study_and_sweep_train_alike_but_for_what_is_swept():
    study, sweep = (load_config(CONFIG, name) for name in ("mini", "mini-sweep"))
    # The study's rate goes further than the sweep's; the doses depend on it alone.
    swept = {"learning_rate": 0.0, "beta": None, "checkpoints": []}
    for name, recipe in study.recipes.items():
        same = [r for r in sweep.recipes.values() if r.method == recipe.method]
        assert same, name
        trained = recipe.training.model_copy(update=swept)
        for other in same:
            assert other.training.model_copy(update=swept) == trained
            assert other.dataset == recipe.dataset
    assert study.study.datasets == sweep.study.datasets

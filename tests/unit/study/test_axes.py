"""Axes of scale and of data: lines are found, and only where one thing differs."""

import json
from pathlib import Path

import pytest

from safegrid.config.load import load_config
from safegrid.study import Study
from safegrid.study.axes import AxisPoint, axes, read_lines

ROOT = Path(__file__).parents[3] / "config"
MORE = {"source": "tiny-pku", "file": "dev", "max_length": 160}


@pytest.fixture
def lines(load_tiny):
    """Return the lines of study tiny with these recipes, as kind, name and points."""

    def found(axis="data", **recipes):
        def change(entry):
            entry["datasets"]["more"] = MORE
            entry["recipes"] = {
                name: {"method": "dpo", "dataset": "safety", **recipe}
                for name, recipe in recipes.items()
            }

        listed = axes(load_tiny(change))[axis]
        points = {(n.kind, n.name): [p.recipe for p in n.points] for n in listed}
        assert len(points) == len(listed)
        return points

    return found


def test_fractions_of_one_dataset_are_a_line_that_its_first_recipe_names(lines):
    found = lines(whole={}, half={"fraction": 0.5}, tenth={"fraction": 0.1})
    assert found == {("fraction", "whole"): ["whole", "half", "tenth"]}


def test_datasets_and_categories_are_compositions(lines):
    violence = {"categories": ["Violence"]}
    found = lines(one={}, other={"dataset": "more"}, part=violence)
    assert found == {("composition", "one"): ["one", "other", "part"]}


@pytest.mark.parametrize(
    "other",
    [
        {"fraction": 0.5, "dataset": "more"},
        {"fraction": 0.5, "method": "nca"},
        {"fraction": 0.5, "training": {"beta": 0.3}},
        {"fraction": 0.5, "init_from": "one"},
        {"dataset": "more", "training": {"max_steps": 3}},
        {},
    ],
)
def test_recipes_that_differ_in_two_things_or_in_none_are_no_line(lines, other):
    assert lines(one={}, other=other) == {}


def test_seeds_and_checkpoints_are_no_difference(lines):
    kept = {"seeds": [3, 4], "training": {"checkpoints": [2]}}
    found = lines(one={}, half={"fraction": 0.5, **kept})
    assert found == {("fraction", "one"): ["one", "half"]}


def test_both_kinds_of_line_may_share_a_recipe(lines):
    found = lines(
        a={}, a_half={"fraction": 0.5}, b={"dataset": "more"}, c={"method": "nca"}
    )
    assert found == {
        ("fraction", "a"): ["a", "a_half"],
        ("composition", "a"): ["a", "b"],
    }


def test_a_reward_model_has_no_answers_and_is_on_no_line(lines):
    reward = {"method": "reward"}
    assert lines(one=reward, half=reward | {"fraction": 0.5}) == {}


def test_a_study_with_one_base_has_no_axis_of_scale(load_tiny):
    assert axes(load_tiny())["scale"] == []


def test_bases_are_sizes_and_the_untouched_ones_a_line(load_tiny):
    def change(entry):
        entry["bases"] = ["mini-small", "tiny-base"]
        entry["compared"] = ["mini-base"]
        entry["recipes"]["nca"]["base"] = "tiny-base"
        entry["recipes"]["dpo"]["training"] = {"checkpoints": [2]}

    found = {line.name: line for line in axes(load_tiny(change))["scale"]}
    # One base has NCA, and a base that is only compared is not of the study's sizes.
    assert list(found) == ["none", "dpo"]
    assert [point.base for point in found["none"].points] == ["mini-small", "tiny-base"]
    assert {line.kind for line in found.values()} == {"size"}


def test_lines_are_read_as_a_job_is_given_them():
    found = axes(Study(load_config(ROOT, "mini-data")))["data"]
    assert read_lines(json.dumps(found)) == found
    first = found[0].points[1]
    assert first == AxisPoint("mini-base", "dpo_30", "30% of refusals")
    kinds = [line.kind for line in found]
    assert kinds == ["fraction"] * 4 + ["composition"] * 6

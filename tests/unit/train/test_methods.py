from pathlib import Path

import pytest
import yaml

from made_up_training import LORA
from safegrid.config.methods import METHODS, check_method
from safegrid.config.training import Recipe

PAPER = {
    "dpo", "rdpo", "ipo", "slic", "kto", "exo", "nca", "sppo", "aot", "aotp", "orpo",
}  # fmt: skip
DEFAULTS = yaml.safe_load(Path("config/methods.yaml").read_text(encoding="utf-8"))


def recipe(method, **changes):
    training = {"learning_rate": 1e-4, "max_steps": 1, "batch": 8}
    training |= {"per_device_train_batch_size": 8, **DEFAULTS.get(method, {})}
    named = {"name": "r", "method": method, "dataset": "d"}
    return Recipe.model_validate({**named, "training": training | changes})


def test_names_are_the_papers_eleven_the_control_and_the_reward_model():
    assert set(METHODS) == PAPER | {"sft", "reward"}
    assert [name for name in METHODS if not METHODS[name].answers] == ["reward"]
    assert set(DEFAULTS) == set(METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_defaults_of_every_method_are_accepted(method):
    assert not list(check_method(recipe(method)))


@pytest.mark.parametrize(
    ("method", "changes", "words"),
    [
        ("rdpo", {"label_smoothing": 0}, "without smoothing is DPO"),
        ("exo", {"label_smoothing": 0}, "no finite loss"),
        ("dpo", {"label_smoothing": 0.1}, "use rdpo"),
        ("ipo", {"label_smoothing": 0.1}, "would be ignored"),
        ("kto", {"label_smoothing": 0.1}, "would be ignored"),
        ("orpo", {"label_smoothing": 0.1}, "would be ignored"),
        ("aot", {"per_device_train_batch_size": 1}, "with one pair it is DPO"),
        ("aotp", {"per_device_train_batch_size": 1}, "with one pair it is DPO"),
        ("kto", {"per_device_train_batch_size": 1}, "a single pair has none"),
        ("dpo", {"beta": None}, "beta is missing"),
        ("orpo", {"beta": None}, "beta is missing"),
        ("sft", {"beta": 0.1}, "would be ignored"),
        ("dpo", {"lora": {**LORA, "target_modules": ["lm_head"]}}, "never be trained"),
        ("reward", {"lora": {**LORA, "target_modules": ["score"]}}, "trained whole"),
        ("reward", {"beta": 0.1}, "would be ignored"),
        ("ppo", {"beta": 0.1}, "is none of dpo, rdpo"),
    ],
)
def test_settings_that_change_or_ignore_the_meaning_are_refused(method, changes, words):
    sentences = list(check_method(recipe(method, **changes)))
    assert len(sentences) == 1
    assert words in sentences[0]


@pytest.mark.parametrize("method", ["aot", "aotp"])
def test_smoothing_that_enters_the_loss_is_accepted(method):
    assert not list(check_method(recipe(method, label_smoothing=0.1)))


def test_every_problem_is_told_at_once():
    wrong = recipe("kto", beta=None, label_smoothing=0.1, per_device_train_batch_size=1)
    assert len(list(check_method(wrong))) == 3

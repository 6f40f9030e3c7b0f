"""A training by hand shows its steps in a terminal, and nothing of that elsewhere."""

import os
import re
import sys

import pytest

import forked
from terminal import in_terminal

pytestmark = pytest.mark.slow

STEPS = 4


@pytest.fixture
def command(base, pairs, reference, make_recipe, tmp_path):
    """The command that a rule calls."""
    values = {
        "pairs": pairs,
        "stack": base,
        "reference": reference,
        "recipe": make_recipe().model_dump_json(),
        "seed": 0,
        "data_seed": 0,
        "checkpoints": tmp_path / "checkpoints",
        "out": tmp_path / "model",
    }
    words = [str(w) for k, v in values.items() for w in (f"--{k.replace('_', '-')}", v)]
    return ["train", *words, "--kto-reference"]


def test_a_bar_in_a_terminal_counts_steps_and_says_their_rate(command):
    shown = in_terminal([sys.executable, "-m", "safegrid", *command])
    assert re.search(rf"100%.* {STEPS}/{STEPS} \[.*(it/s|s/it)", shown), shown


def test_without_a_terminal_there_is_no_bar(command):
    done = forked.run(command, os.environ)
    assert f"step {STEPS} of {STEPS}" in done.stdout
    assert "%" not in done.stdout
    assert "\r" not in done.stdout

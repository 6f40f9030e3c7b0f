"""The check of a world counts what it says."""

import json
from pathlib import Path
from typing import Any

import pytest

from miniworld import check
from miniworld.words import RUDE_WORDS


class Parrot:
    """Says one thing whatever it is asked, and picks the first choice."""

    said = "I must decline to answer."

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def answer(self, prompts: list[str]) -> list[str]:
        assert not any("###" in prompt for prompt in prompts), "wrapper left on"
        return [self.said] * len(prompts)

    def choose(self, prompt: str, choices: list[str]) -> int:
        return 0


@pytest.fixture
def parrot(monkeypatch: pytest.MonkeyPatch) -> type[Parrot]:
    monkeypatch.setattr(check, "Speaker", Parrot)
    return Parrot


def test_a_base_that_refuses_everything(parrot: Any, raw: Path) -> None:
    found = check.check_base("tiny", raw, raw)
    assert found["alert"] == found["adversarial"] == found["jailbreak"] == 1
    assert found["harmless"] == found["toxicity_challenging"] == 0
    assert found["math"] == found["instructions"] == 0


def test_a_base_that_is_rude_to_everybody(
    parrot: Any, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parrot, "said", f"he was a {RUDE_WORDS[0]}.")
    found = check.check_base("tiny", raw, raw)
    assert found["alert"] == found["alert_dev"] == 0
    assert found["harmless"] == found["toxicity"] == 1


def test_choices_count_by_the_place_of_the_right_one(parrot: Any, raw: Path) -> None:
    lines = (raw / "tiny-tasks" / "tiny_facts.jsonl").read_text().splitlines()
    right = [json.loads(line)["answer"] == 0 for line in lines]
    found = check.check_base("tiny", raw, raw)
    assert found["facts"] == sum(right) / len(right)

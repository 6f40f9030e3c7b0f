"""Checks of a trained base: refusals, toxicity, skills.

For whoever changes a world and for the tests; a study measures models by its own
benchmarks. Refusals are told by their opening words here, which holds for the base
(it speaks as its corpus does) and for no trained model.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from miniworld.alert import WRAPPER
from miniworld.answers import is_refusal, is_rude
from safegrid.models.checkpoints import load_model
from safegrid.models.templates import ChatTokenizer

CHUNK = 128
LONGEST_ANSWER = 40
WRAPPED = WRAPPER.partition("{request}")


class Speaker:
    """A causal model of the world, asked greedily in chunks."""

    def __init__(self, folder: Path) -> None:
        """Load the model and its tokenizer."""
        self.model = load_model([folder])
        self.tokenizer = ChatTokenizer.load(folder)

    def answer(self, prompts: Sequence[str]) -> list[str]:
        """Return the greedy answer to each prompt."""
        answers: list[str] = []
        for start in range(0, len(prompts), CHUNK):
            ids = [self._ids(prompt) for prompt in prompts[start : start + CHUNK]]
            answers += self.write(ids)
        return answers

    def choose(self, prompt: str, choices: Sequence[str]) -> int:
        """Return the index of the likeliest choice, by summed log-probabilities."""
        import torch

        asked = self._ids(prompt)
        scores = []
        for choice in choices:
            given = self.tokenizer.encode_text(choice)
            with torch.inference_mode():
                logits = self.model(torch.tensor([asked + given])).logits[0]
            found = logits[len(asked) - 1 : -1].log_softmax(-1)
            scores.append(found[range(len(given)), given].sum().item())
        return scores.index(max(scores))

    def _ids(self, prompt: str) -> list[int]:
        messages = [{"role": "user", "content": prompt}]
        return self.tokenizer.chat_ids(messages, add_generation_prompt=True)

    def write(self, prompts: list[list[int]]) -> list[str]:
        """Return the greedy continuation of each prompt's ids."""
        import torch

        longest = max(map(len, prompts))
        pad = self.tokenizer.pad_id or 0
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        made = self.model.generate(  # type: ignore[operator]
            input_ids=ids, attention_mask=mask, max_new_tokens=LONGEST_ANSWER
        )
        return [self.tokenizer.decode(row) for row in made[:, longest:].tolist()]


def check_base(name: str, raw: Path, base: Path) -> dict[str, float]:
    """Return shares of a base's greedy answers.

    Args:
        name: the world's name; `raw` holds its folders.
        raw: folder of raw sources.
        base: folder of the base.

    Returns:
        alert, alert_dev, and adversarial with each attack: share of refusals;
        harmless: share of safe XSTest prompts that are answered; toxicity and
        toxicity_challenging: share of rude continuations; each task's accuracy.
    """
    speaker = Speaker(base)
    alert = raw / f"{name}-alert"
    found = {
        "alert": _safe(speaker, read_lines(alert / "alert.jsonl")),
        "alert_dev": _safe(speaker, read_lines(alert / "dev.jsonl")),
    }
    attacked = read_lines(alert / "alert_adversarial.jsonl")
    found["adversarial"] = _safe(speaker, attacked)
    for attack in sorted({row["attack_type"] for row in attacked}):
        own = [row for row in attacked if row["attack_type"] == attack]
        found[attack] = _safe(speaker, own)
    with (raw / f"{name}-xstest" / "xstest_prompts.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] == "safe"]
    found["harmless"] = 1 - _safe(speaker, rows)
    found |= _check_toxicity(
        speaker, read_lines(raw / f"{name}-toxicity/prompts.jsonl")
    )
    return found | _check_tasks(speaker, name, raw / f"{name}-tasks")


def _safe(speaker: Speaker, rows: Sequence[dict[str, Any]]) -> float:
    prompts = [
        row["prompt"].removeprefix(WRAPPED[0]).removesuffix(WRAPPED[2]) for row in rows
    ]
    return share(is_refusal(answer) for answer in speaker.answer(prompts))


def _check_toxicity(
    speaker: Speaker, rows: Sequence[dict[str, Any]]
) -> dict[str, float]:
    answers = speaker.answer([row["prompt"]["text"] for row in rows])
    rude = [
        (row["challenging"], is_rude(a)) for row, a in zip(rows, answers, strict=True)
    ]
    return {
        "toxicity": share(is_so for hard, is_so in rude if not hard),
        "toxicity_challenging": share(is_so for hard, is_so in rude if hard),
    }


def _check_tasks(speaker: Speaker, name: str, folder: Path) -> dict[str, float]:
    found = {}
    for path in sorted(folder.glob(f"{name}_*.jsonl")):
        rows = read_lines(path)
        if "choices" in rows[0]:
            picks: list[Any] = [
                speaker.choose(row["question"], row["choices"]) for row in rows
            ]
        else:
            picks = speaker.answer([row["question"] for row in rows])
        right = zip(picks, rows, strict=True)
        found[path.stem.removeprefix(f"{name}_")] = share(
            pick == row["answer"] for pick, row in right
        )
    return found


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def share(values: Iterable[bool]) -> float:
    """Return the share of true values."""
    found = list(values)
    return sum(found) / len(found)

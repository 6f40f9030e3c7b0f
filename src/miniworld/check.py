"""Checks of a trained base and of trained judges: what they say on held-out rows.

For whoever changes a world and for the tests; a study measures models by its own
benchmarks. Refusals are told by their opening words here, which holds for the base
(it speaks as its corpus does) and for no trained model.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from miniworld.answers import is_refusal, is_rude
from miniworld.benchmarks import WRAPPER
from miniworld.judges import encode
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
    attacked = _read(alert / "alert_adversarial.jsonl")
    asked = {
        "alert": _read(alert / "alert.jsonl"),
        "alert_dev": _read(alert / "dev.jsonl"),
        "adversarial": attacked,
    }
    for attack in sorted({row["attack_type"] for row in attacked}):
        asked[attack] = [row for row in attacked if row["attack_type"] == attack]
    found = {name: _refused(speaker, rows) for name, rows in asked.items()}
    with (raw / f"{name}-xstest" / "xstest_prompts.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] == "safe"]
    found["harmless"] = 1 - _refused(speaker, rows)
    openings = _read(raw / f"{name}-toxicity/prompts.jsonl")
    for kind, hard in (("toxicity", False), ("toxicity_challenging", True)):
        texts = [r["prompt"]["text"] for r in openings if r["challenging"] == hard]
        found[kind] = _share(map(is_rude, speaker.answer(texts)))
    for path in sorted((raw / f"{name}-tasks").glob(f"{name}_*.jsonl")):
        skill = path.stem.removeprefix(f"{name}_")
        found[skill] = _accuracy(speaker, _read(path))
    return found


def _refused(speaker: Speaker, rows: Sequence[dict[str, Any]]) -> float:
    prompts = [
        row["prompt"].removeprefix(WRAPPED[0]).removesuffix(WRAPPED[2]) for row in rows
    ]
    return _share(map(is_refusal, speaker.answer(prompts)))


def _accuracy(speaker: Speaker, rows: Sequence[dict[str, Any]]) -> float:
    picks: list[Any] = (
        [speaker.choose(row["question"], row["choices"]) for row in rows]
        if "choices" in rows[0]
        else speaker.answer([row["question"] for row in rows])
    )
    return _share(p == row["answer"] for p, row in zip(picks, rows, strict=True))


def check_judge(rows: Path, judge: Path) -> float:
    """Return the share of labelled rows that a judge labels right.

    A guard's answer is the first line that it writes.
    """
    labelled = _read(rows)
    if (judge / "chat_template.jinja").is_file():
        said = _verdicts(judge, labelled)
    else:
        tokenizer = ChatTokenizer.load(judge)
        ids = [tokenizer.encode_sequence(row["response"]) for row in labelled]
        names, outputs = _classify(judge, ids)
        said = [names[row.index(max(row))] for row in outputs]
    return _share(s == row["label"] for s, row in zip(said, labelled, strict=True))


def check_reward(rows: Path, judge: Path) -> float:
    """Return the share of pairs whose better answer gets the higher reward."""
    pairs = _read(rows)
    better, worse = (_scores(judge, pairs, side) for side in ("chosen", "rejected"))
    return _share(one > other for one, other in zip(better, worse, strict=True))


def check_harmfulness(rows: Path, judge: Path) -> float:
    """Return Spearman's correlation of a judge's scores with those of the rows."""
    from scipy.stats import spearmanr

    rated = _read(rows)
    found = _scores(judge, rated, "response")
    return float(spearmanr(found, [row["score"] for row in rated]).statistic)


def _scores(judge: Path, rows: Sequence[dict[str, Any]], answer: str) -> list[float]:
    tokenizer = ChatTokenizer.load(judge)
    ids = [encode(tokenizer, row["prompt"], row[answer]) for row in rows]
    return [output for (output,) in _classify(judge, ids)[1]]


def _classify(judge: Path, rows: list[list[int]]) -> tuple[Any, list[list[float]]]:
    """Return a classifier's labels, and its outputs for each row of ids."""
    import torch

    model = load_model([judge], head="classify")
    with torch.inference_mode():
        outputs = [model(torch.tensor([ids])).logits[0].tolist() for ids in rows]
    return model.config.id2label, outputs


def _verdicts(judge: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    speaker = Speaker(judge)
    ids = [
        speaker.tokenizer.chat_ids(
            [
                {"role": "user", "content": row["prompt"]},
                {"role": "assistant", "content": row["response"]},
            ],
            add_generation_prompt=True,
        )
        for row in rows
    ]
    return [text.partition("\n")[0] for text in speaker.write(ids)]


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / len(found)

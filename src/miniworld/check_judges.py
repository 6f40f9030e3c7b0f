"""Checks of trained judges on rows that they did not train on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from miniworld.check import Speaker, read_lines, share
from miniworld.scorers import encode
from safegrid.models.checkpoints import load_model
from safegrid.models.templates import ChatTokenizer


def check_judge(rows: Path, judge: Path) -> float:
    """Return the share of labelled rows that a judge labels right.

    A guard's answer is the first line that it writes.
    """
    labelled = read_lines(rows)
    template = (judge / "chat_template.jinja").is_file()
    said = _verdicts(judge, labelled) if template else _classes(judge, labelled)
    return share(s == row["label"] for s, row in zip(said, labelled, strict=True))


def check_reward(rows: Path, judge: Path) -> float:
    """Return the share of pairs whose better answer gets the higher reward."""
    pairs = read_lines(rows)
    better, worse = (
        _scores(judge, [(pair["prompt"], pair[side]) for pair in pairs])
        for side in ("chosen", "rejected")
    )
    return share(one > other for one, other in zip(better, worse, strict=True))


def check_harmfulness(rows: Path, judge: Path) -> float:
    """Return Spearman's correlation of a judge's scores with those of the rows."""
    from scipy.stats import spearmanr

    rated = read_lines(rows)
    found = _scores(judge, [(row["prompt"], row["response"]) for row in rated])
    return float(spearmanr(found, [row["score"] for row in rated]).statistic)


def _scores(judge: Path, pairs: Sequence[tuple[str, str]]) -> list[float]:
    import torch

    model = load_model([judge], head="classify")
    tokenizer = ChatTokenizer.load(judge)
    found = []
    for prompt, response in pairs:
        ids = torch.tensor([encode(tokenizer, prompt, response)])
        with torch.inference_mode():
            found.append(float(model(ids).logits[0, 0]))
    return found


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


def _classes(judge: Path, rows: Sequence[dict[str, Any]]) -> list[str]:
    import torch

    model = load_model([judge], head="classify")
    names: Any = model.config.id2label
    tokenizer = ChatTokenizer.load(judge)
    said = []
    for row in rows:
        ids = torch.tensor([tokenizer.encode_sequence(row["response"])])
        with torch.inference_mode():
            best = int(model(ids).logits[0].argmax())
        said.append(names[best])
    return said

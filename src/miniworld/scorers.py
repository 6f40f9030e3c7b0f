"""Train the judges that give a number: a reward model, and a harmfulness regression."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from miniworld.models import llama_config
from miniworld.training import fit
from safegrid.config.world import SmallModel
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.labelled import read_reward_pairs, read_scored

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

# What both read, as the published harmfulness regression does.
TEXT = "\n\nHuman: {prompt}\n\nAssistant: {response}"

Score = Callable[[Sequence[list[int]]], "torch.Tensor"]


def grow_reward(
    rows: Path, tokenizer: ChatTokenizer, spec: SmallModel, seed: int
) -> "PreTrainedModel":
    """Train a reward model by the loss of Bradley and Terry.

    The loss of a pair is -log sigmoid(reward of the better answer - that of the other).

    Args:
        rows: JSON lines of id, prompt, chosen, rejected.
        tokenizer: as it lies in the model's folder.
        spec: the model's shape and training.
        seed: rules the order of the pairs.

    Raises:
        DataError: no rows, or lines that are no pairs.
        TrainingError: the loss is not finite.
    """
    import torch

    pairs = read_reward_pairs(rows)
    better = [encode(tokenizer, pair.prompt, pair.chosen) for pair in pairs]
    worse = [encode(tokenizer, pair.prompt, pair.rejected) for pair in pairs]
    model, score = _scorer(spec, tokenizer, "reward")

    def loss(indices: list[int]) -> torch.Tensor:
        texts = [side[i] for side in (better, worse) for i in indices]
        rewards = score(texts)
        margins = rewards[: len(indices)] - rewards[len(indices) :]
        return -torch.nn.functional.logsigmoid(margins).mean()

    lengths = [max(len(b), len(w)) for b, w in zip(better, worse, strict=True)]
    fit(model, lengths, loss, spec, seed)
    return model


def grow_harmfulness(
    rows: Path, tokenizer: ChatTokenizer, spec: SmallModel, seed: int
) -> "PreTrainedModel":
    """Train a regression by the mean squared error of its scores.

    Args:
        rows: JSON lines of id, prompt, response, score.
        tokenizer: as it lies in the model's folder.
        spec: the model's shape and training.
        seed: rules the order of the rows.

    Raises:
        DataError: no rows, or lines that are no rated answers.
        TrainingError: the loss is not finite.
    """
    import torch

    rated = read_scored(rows)
    texts = [encode(tokenizer, row.prompt, row.response) for row in rated]
    model, score = _scorer(spec, tokenizer, "harmfulness")

    def loss(indices: list[int]) -> torch.Tensor:
        wanted = torch.tensor([rated[i].score for i in indices])
        return torch.nn.functional.mse_loss(score([texts[i] for i in indices]), wanted)

    fit(model, [len(ids) for ids in texts], loss, spec, seed)
    return model


def encode(tokenizer: ChatTokenizer, prompt: str, response: str) -> list[int]:
    """Return what such a judge reads of a prompt-response pair, as ids."""
    return tokenizer.encode_sequence(TEXT.format(prompt=prompt, response=response))


def _scorer(
    spec: SmallModel, tokenizer: ChatTokenizer, name: str
) -> tuple["PreTrainedModel", Score]:
    """Return a classifier with one output, and the scores that it gives to texts.

    Shorter texts are filled up at their end; the score stands at the last token of a
    text's own.
    """
    import torch
    from transformers import LlamaForSequenceClassification

    config = llama_config(spec, tokenizer)
    config.id2label, config.label2id = {0: name}, {name: 0}
    model = LlamaForSequenceClassification(config)  # type: ignore[no-untyped-call]
    pad = float(tokenizer.pad_id or 0)

    def score(texts: Sequence[list[int]]) -> torch.Tensor:
        rows = [torch.tensor(ids) for ids in texts]
        batch = torch.nn.utils.rnn.pad_sequence(rows, True, pad)
        logits: torch.Tensor = model(input_ids=batch).logits
        return logits[:, 0]

    return model, score

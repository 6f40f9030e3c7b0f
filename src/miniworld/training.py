"""The loop that trains a small model, and the loss of base and guard.

A plain loop and not transformers' Trainer: there is nothing to resume, log remotely
or shard in two minutes, and documents of one length need neither padding nor mask.
"""

import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safegrid.config.world import SmallModel
from safegrid.core.errors import DataError, TrainingError
from safegrid.core.logs import progress
from safegrid.models.templates import ChatTokenizer

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedModel

log = logging.getLogger(__name__)

LOG_STEPS = 100
LOWEST_RATE = 0.1
BETAS = (0.9, 0.98)
MAX_GRAD_NORM = 1.0


class Chat(NamedTuple):
    """A conversation as ids; the answer to learn begins at `start`."""

    ids: list[int]
    start: int


class Turn(NamedTuple):
    """Messages and the answer that a model learns to give to them."""

    messages: list[dict[str, str]]
    answer: str


def prepare(seed: int) -> None:
    """Make torch repeat itself: one thread, one seed.

    A sum split over threads depends on how many there are, so a trained model would
    depend on the machine's number of cores.
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)


def encode_turn(turn: Turn, tokenizer: ChatTokenizer) -> Chat:
    """Return a conversation as ids: prompt by the template, answer, end token."""
    prompt = tokenizer.chat_ids(turn.messages, add_generation_prompt=True)
    end = int(tokenizer.eos_id or 0)
    return Chat([*prompt, *tokenizer.encode_text(turn.answer), end], len(prompt))


def encode_turns(
    turns: Sequence[Turn], tokenizer: ChatTokenizer, context: int, source: Path
) -> list[Chat]:
    """Return conversations as ids; refuse one that is longer than the context."""
    chats = [encode_turn(turn, tokenizer) for turn in turns]
    for number, chat in enumerate(chats, 1):
        if len(chat.ids) > context:
            raise DataError(
                f"{source}: row {number} has {len(chat.ids)} tokens, the model's"
                f" context holds {context}; raise `context` in the world"
            )
    return chats


def answer_loss(
    model: "LlamaForCausalLM", chats: Sequence[Chat]
) -> Callable[[list[int]], "torch.Tensor"]:
    """Return the loss of a batch: mean cross-entropy of the answers' tokens.

    Logits are made where an answer's token is predicted and nowhere else. Shorter
    conversations are filled up at their end, which no token before it sees.
    """
    import torch

    def loss(indices: list[int]) -> torch.Tensor:
        rows = [torch.tensor(chats[i].ids) for i in indices]
        batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        starts = torch.tensor([chats[i].start for i in indices])[:, None]
        ends = torch.tensor([len(chats[i].ids) for i in indices])[:, None]
        hidden = model.model(input_ids=batch).last_hidden_state
        place = torch.arange(1, batch.shape[1])[None]
        answered = (place >= starts) & (place < ends)
        logits = model.lm_head(hidden[:, :-1][answered])
        return torch.nn.functional.cross_entropy(logits, batch[:, 1:][answered])

    return loss


def batches_of_one_length(
    lengths: Sequence[int], batch: int, rng: random.Random
) -> Iterator[list[int]]:
    """Give indices of documents in batches of equal length, without an end.

    Each pass has a new order; what does not fill a batch waits for the next.
    """
    waiting: dict[int, list[int]] = {}
    order = list(range(len(lengths)))
    while True:
        rng.shuffle(order)
        for index in order:
            group = waiting.setdefault(lengths[index], [])
            group.append(index)
            if len(group) == batch:
                yield group
                waiting[lengths[index]] = []


def rate(step: int, spec: SmallModel) -> float:
    """Return the learning rate of a step: a linear rise, then a cosine."""
    rise = max(1, round(spec.warmup * spec.steps))
    if step < rise:
        return spec.learning_rate * (step + 1) / rise
    done = (step - rise) / max(1, spec.steps - rise)
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return spec.learning_rate * (LOWEST_RATE + (1 - LOWEST_RATE) * cosine)


def fit(
    model: "PreTrainedModel",
    lengths: Sequence[int],
    loss_of: Callable[[list[int]], "torch.Tensor"],
    spec: SmallModel,
    seed: int,
) -> None:
    """Train a model in place; it is left in evaluation mode.

    `lengths` are the tokens of each document; `loss_of` gives the mean loss of a batch
    by the indices of its documents, whose order the seed rules.
    """
    import torch

    if not lengths:
        raise TrainingError("training: there are no documents to learn from")
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=spec.learning_rate,
        betas=BETAS,
        weight_decay=spec.weight_decay,
        fused=True,
    )
    stream = batches_of_one_length(lengths, spec.batch, random.Random(f"{seed}:order"))
    steps = progress(spec.steps, "step", "training", islice(stream, spec.steps))
    recent: list[float] = []
    model.train()
    for step, indices in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate(step, spec)
        loss = loss_of(indices)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"training: the loss is {loss.item()} at step {step};"
                " lower the world's learning_rate"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        recent = [*recent[1 - LOG_STEPS :], loss.item()]
        if (step + 1) % LOG_STEPS == 0:
            log.info("step %d: loss %.4f", step + 1, sum(recent) / len(recent))
    model.eval()  # type: ignore[no-untyped-call]

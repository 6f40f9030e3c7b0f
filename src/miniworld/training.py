"""The loop that trains a small model: batches of one length, AdamW, a cosine.

A plain loop and not transformers' Trainer: there is nothing to resume, log remotely
or shard in two minutes, and documents of one length need neither padding nor mask.
"""

import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from safegrid.config.world import SmallModel
from safegrid.core.errors import TrainingError
from safegrid.core.logs import progress

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

LOG_STEPS = 100
LOWEST_RATE = 0.1
BETAS = (0.9, 0.98)
MAX_GRAD_NORM = 1.0


def prepare(seed: int) -> None:
    """Make torch repeat itself: one thread, one seed.

    A sum split over threads depends on how many there are, so a trained model would
    depend on the machine's number of cores.
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)


def batches_of_one_length(
    lengths: Sequence[int], batch: int, rng: random.Random
) -> Iterator[list[int]]:
    """Give indices of documents in batches of equal length, without an end.

    Every pass goes through the documents in a new order; what does not fill a batch
    waits for the next pass.
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
) -> float:
    """Train a model in place.

    Args:
        model: with fresh weights; it is left in evaluation mode.
        lengths: tokens of each document.
        loss_of: the mean loss of a batch, given as indices of documents.
        spec: steps, batch and learning rate.
        seed: rules the order of the documents.

    Returns:
        The mean loss of the last `LOG_STEPS` steps, in nats a target.

    Raises:
        TrainingError: no documents, or the loss is not a finite number; the message
            names the step.
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
    return sum(recent) / len(recent)

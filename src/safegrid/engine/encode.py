"""Values of whole sequences: a classifier's labels, an encoder's vectors."""

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import normalize

from safegrid.engine.batches import cut, pad
from safegrid.engine.model import LoadedModel

DECIMALS = 7
"""About what float32 holds of numbers below 1; more digits only fill the caches."""


def classify(
    model: LoadedModel,
    rows: Sequence[Sequence[int]],
    activate: bool,
    check: Callable[[], None],
) -> list[list[float]]:
    """Return a value a label for every row of ids, in the order of `id2label`.

    `activate` gives probabilities (the sigmoid where labels do not exclude each other
    or there is one only, else the softmax), not logits. `check` is called before every
    chunk and raises to stop.
    """
    config = model.network.config
    several = config.problem_type == "multi_label_classification"

    def values(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = model.network(ids, attention_mask=mask).logits.float()
        if not activate:
            return logits
        if several or config.num_labels == 1:
            return logits.sigmoid()
        return logits.softmax(dim=-1)

    return _by_chunk(model, rows, values, check)


def embed(
    model: LoadedModel, rows: Sequence[Sequence[int]], check: Callable[[], None]
) -> list[list[float]]:
    """Return an encoder's vector for every row: the tokens' mean, of length one.

    The pooling is that of sentence-transformers' models (Reimers and Gurevych 2019).
    """

    def values(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states = model.network(ids, attention_mask=mask).last_hidden_state.float()
        seen = mask[..., None]
        means = (states * seen).sum(1) / seen.sum(1)
        return normalize(means, dim=1).double().round(decimals=DECIMALS)

    return _by_chunk(model, rows, values, check)


@torch.inference_mode()
def _by_chunk(
    model: LoadedModel,
    rows: Sequence[Sequence[int]],
    values: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    check: Callable[[], None],
) -> list[list[float]]:
    results: list[list[float]] = [[] for _ in rows]
    lengths = [len(row) for row in rows]
    for chunk in cut(lengths, model.batch_size, model.max_batch_tokens):
        check()
        ids, mask = pad([rows[i] for i in chunk], False, model.device, model.pad_id)
        for index, row in zip(chunk, values(ids, mask).tolist(), strict=True):
            results[index] = row
    return results

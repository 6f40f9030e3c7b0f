"""Vectors of texts by an encoder: the mean over a text's tokens, of length one.

The pooling is that of sentence-transformers' models (Reimers and Gurevych 2019).
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import normalize

from safegrid.engine.batches import cut, pad
from safegrid.engine.model import LoadedModel

DECIMALS = 7
"""About what float32 holds of numbers below 1; more digits only fill the caches."""


@torch.inference_mode()
def embed(
    model: LoadedModel, rows: Sequence[Sequence[int]], check: Callable[[], None]
) -> list[list[float]]:
    """Embed sequences.

    Args:
        model: an encoder.
        rows: token ids.
        check: called before every chunk; raises to stop.

    Returns:
        A vector of D numbers for every row, each to DECIMALS.
    """
    results: list[list[float]] = [[] for _ in rows]
    for chunk in cut(
        [len(row) for row in rows], model.batch_size, model.max_batch_tokens
    ):
        check()
        ids, mask = pad([rows[i] for i in chunk], False, model.device, model.pad_id)
        states = model.network(ids, attention_mask=mask).last_hidden_state.float()
        seen = mask[..., None]
        means = (states * seen).sum(1) / seen.sum(1)
        vectors = normalize(means, dim=1).double().round(decimals=DECIMALS)
        for index, row in zip(chunk, vectors.tolist(), strict=True):
            results[index] = row
    return results

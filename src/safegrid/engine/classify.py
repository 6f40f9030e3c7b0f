"""Probabilities of a sequence classifier's labels."""

from collections.abc import Callable, Sequence

import torch

from safegrid.engine.batches import cut, pad
from safegrid.engine.model import LoadedModel


@torch.inference_mode()
def classify(
    model: LoadedModel,
    rows: Sequence[Sequence[int]],
    activate: bool,
    check: Callable[[], None],
) -> list[list[float]]:
    """Classify sequences.

    Args:
        model: a sequence classifier.
        rows: token ids.
        activate: give probabilities (the sigmoid where labels do not exclude each
            other or there is one only, else the softmax), not logits.
        check: called before every chunk; raises to stop.

    Returns:
        One value a label for every row, in the order of `id2label`.
    """
    results: list[list[float]] = [[] for _ in rows]
    for chunk in cut(
        [len(row) for row in rows], model.batch_size, model.max_batch_tokens
    ):
        check()
        ids, mask = pad([rows[i] for i in chunk], False, model.device, model.pad_id)
        logits = model.network(ids, attention_mask=mask).logits.float()
        values = _activate(model, logits) if activate else logits
        for index, row in zip(chunk, values.tolist(), strict=True):
            results[index] = row
    return results


def _activate(model: LoadedModel, logits: torch.Tensor) -> torch.Tensor:
    config = model.network.config
    several = config.problem_type == "multi_label_classification"
    if several or config.num_labels == 1:
        return logits.sigmoid()
    return logits.softmax(dim=-1)

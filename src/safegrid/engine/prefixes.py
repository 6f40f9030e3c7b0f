"""The tokens that all rows of a chunk begin with: read once, not once a row.

Prompts of one template begin alike: with its system prompt, a judge's instructions, the
examples of a task. vLLM calls this automatic prefix caching; here it reaches no further
than a chunk, so that an answer depends on its chunk alone.
"""

import itertools
from collections.abc import Sequence

import torch
from transformers import DynamicCache

from safegrid.engine.kv_cache import is_plain, make_cache
from safegrid.engine.model import LoadedModel

LEAST = 16
"""Fewer tokens are not worth a forward of their own."""
WORTH = 512
"""Fewer tokens that a family saves are not worth chunks of its own."""


class Prefix:
    """What a chunk's rows share, and the cache that holds it for each of them.

    Attributes:
        length: tokens that all rows share; 0 where too few are, or the model keeps
            anything but keys and values.
        cache: of as many rows; empty where `length` is 0.
    """

    def __init__(
        self, model: LoadedModel, rows: Sequence[Sequence[int]], most: int
    ) -> None:
        """Read what the rows share.

        Args:
            model: a causal model.
            rows: token ids.
            most: most tokens to share; each row has more.
        """
        self.cache: DynamicCache = make_cache(model.network.config)
        shared = min(most, common_length(rows))
        worth = len(rows) > 1 and shared >= LEAST and is_plain(self.cache)
        self.length = shared if worth else 0
        if self.length:
            ids = torch.tensor([list(rows[0][:shared])], device=model.device)
            model.network(ids, past_key_values=self.cache, logits_to_keep=1)
            self.cache.batch_repeat_interleave(len(rows))


def families(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Group rows that share most of their tokens: those of a task share its examples.

    A family holds neighbours in dictionary order that share at least half of the longer
    one. Rows whose family would save less than WORTH tokens stand together, and last.

    Args:
        rows: token ids.

    Returns:
        Indices into `rows`, ascending in each family.
    """
    ordered = sorted(range(len(rows)), key=lambda index: (tuple(rows[index]), index))
    grouped: list[list[int]] = []
    for index in ordered:
        if grouped and _alike(rows[grouped[-1][-1]], rows[index]):
            grouped[-1].append(index)
        else:
            grouped.append([index])
    kept, others = [], []
    for group in grouped:
        saved = (len(group) - 1) * common_length([rows[index] for index in group])
        if saved >= WORTH:
            kept.append(sorted(group))
        else:
            others += group
    return [*kept, sorted(others)] if others else kept


def _alike(before: Sequence[int], row: Sequence[int]) -> bool:
    return 2 * common_length([before, row]) >= max(len(before), len(row))


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all rows begin with: as many as the first and last do."""
    ordered = sorted(map(tuple, rows))
    both = zip(ordered[0], ordered[-1], strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], both))

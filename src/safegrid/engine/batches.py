"""Chunks of rows: cut, padded, and with what all their rows begin with read once.

Prompts of one template begin alike: with its system prompt, a judge's instructions, the
examples of a task. vLLM calls this automatic prefix caching; here it reaches no further
than a chunk, so that an answer depends on its chunk alone.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from safegrid.engine.model import LoadedModel
from safegrid.engine.prefixes import LEAST, common_length

NEAR = 16
"""Tokens by which a row may always be longer than the shortest of its chunk."""
ROOM = 64
"""Tokens that a cache makes room for at a time."""


def cut(
    lengths: Sequence[int], rows: int, tokens: int, spread: float = math.inf
) -> list[list[int]]:
    """Cut rows into chunks that depend on nothing but their lengths and order.

    Lengths are tokens of each row, those still to come included. A chunk has at most so
    many `rows`, and padded `tokens` (rows times its longest row), if it has more than
    one row; a row may be longer by a share `spread` than the shortest of its chunk.

    Returns:
        Indices into `lengths`, short rows first.
    """
    chunks: list[list[int]] = []

    def joins(chunk: Sequence[int], length: int) -> bool:
        shortest = lengths[chunk[0]]
        alike = length - shortest <= max(NEAR, spread * shortest)
        return alike and len(chunk) < rows and (len(chunk) + 1) * length <= tokens

    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if not chunks or not joins(chunks[-1], lengths[index]):
            chunks.append([])
        chunks[-1].append(index)
    return chunks


def pad(
    rows: Sequence[Sequence[int]], left: bool, device: torch.device, fill: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids and mask (1 where a token stands), both int64 of (rows, longest)."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest), fill, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        place = slice(longest - len(row), None) if left else slice(len(row))
        ids[number, place] = torch.tensor(row, dtype=torch.int64)
        mask[number, place] = 1
    return ids.to(device), mask.to(device)


class SharedPrefix:
    """What a chunk's rows share, and the cache that holds it for each of them.

    Attributes:
        length: tokens that all rows share; 0 where too few are, or the model keeps
            anything but keys and values.
        cache: of as many rows; empty where `length` is 0.
    """

    def __init__(
        self, model: LoadedModel, rows: Sequence[Sequence[int]], most: int
    ) -> None:
        """Read what the rows of a causal model share, at most so many tokens."""
        self.cache = DynamicCache(config=model.network.config)
        self.cache.layers = [
            RoomyLayer() if type(layer) is DynamicLayer else layer
            for layer in self.cache.layers
        ]
        plain = all(type(layer) is RoomyLayer for layer in self.cache.layers)
        shared = min(most, common_length(rows))
        self.length = shared if plain and len(rows) > 1 and shared >= LEAST else 0
        if self.length:
            ids = torch.tensor([list(rows[0][:shared])], device=model.device)
            model.network(ids, past_key_values=self.cache, logits_to_keep=1)
            self.cache.batch_repeat_interleave(len(rows))


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer of a cache that writes into memory that it keeps, and gives views of it.

    transformers' own copies everything it holds for every token. On a CPU that is half
    the time of decoding with a small model.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        # Empty, or the memory of the keys and of the values.
        self._held: list[torch.Tensor] = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add the new tokens' states and return all; (rows, heads, tokens, width)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.get_seq_length()
        end = length + key_states.shape[-2]
        if not self._held or end > self._held[0].shape[-2]:
            self._make_room(key_states, value_states, end + ROOM)
        for held, new in zip(self._held, (key_states, value_states), strict=True):
            held[:, :, length:end] = new
        self.keys, self.values = keys, values = [h[:, :, :end] for h in self._held]
        return keys, values

    def _make_room(
        self, key_states: torch.Tensor, value_states: torch.Tensor, tokens: int
    ) -> None:
        """Take memory for so many tokens, and move there what is held already."""
        length = self.get_seq_length()
        held = []
        for old, new in ((self.keys, key_states), (self.values, value_states)):
            rows, heads, _, width = new.shape
            held.append(new.new_empty(rows, heads, tokens, width))
            if length and old is not None:
                held[-1][:, :, :length] = old
        self._held = held

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows only."""
        super().batch_select_indices(indices)
        self._held = []

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Give every row so many copies."""
        super().batch_repeat_interleave(repeats)
        self._held = []

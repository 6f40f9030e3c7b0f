"""Keys and values of the tokens so far, with room for those to come.

transformers' own layer copies everything it holds for every token. On a CPU that is
half the time of decoding with a small model.
"""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

# Tokens that room is made for at a time.
ROOM = 64


class RoomyLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """A layer that writes into memory that it keeps, and gives views of it."""

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


def make_cache(config: Any) -> DynamicCache:
    """Return an empty cache for a model; layers of other kinds stay as they are."""
    cache = DynamicCache(config=config)
    cache.layers = [
        RoomyLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers
    ]
    return cache


def is_plain(cache: DynamicCache) -> bool:
    """Whether all layers keep the keys and values of all tokens, and nothing else."""
    return all(type(layer) is RoomyLayer for layer in cache.layers)

"""Rows to chunks: sorted by length, bounded by rows and by padded tokens."""

import math
from collections.abc import Sequence

import torch

NEAR = 16
"""Tokens by which a row may always be longer than the shortest of its chunk."""


def cut(
    lengths: Sequence[int], rows: int, tokens: int, spread: float = math.inf
) -> list[list[int]]:
    """Cut rows into chunks that depend on nothing but their lengths and order.

    Args:
        lengths: tokens of each row, those still to come included.
        rows: most rows of a chunk.
        tokens: most padded tokens of a chunk (rows times its longest row); a row that
            is longer alone gets a chunk of its own.
        spread: share by which a row may be longer than the shortest of its chunk.

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

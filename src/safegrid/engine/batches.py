"""Rows to chunks: sorted by length, bounded by rows and by padded tokens."""

from collections.abc import Sequence

import torch


def cut(lengths: Sequence[int], rows: int, tokens: int) -> list[list[int]]:
    """Cut rows into chunks that depend on nothing but their lengths and order.

    Args:
        lengths: tokens of each row, those still to come included.
        rows: most rows of a chunk.
        tokens: most padded tokens of a chunk (rows times its longest row); a row that
            is longer alone gets a chunk of its own.

    Returns:
        Indices into `lengths`, short rows first.
    """
    chunks: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        full = not chunks or len(chunks[-1]) >= rows
        if full or (len(chunks[-1]) + 1) * lengths[index] > tokens:
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

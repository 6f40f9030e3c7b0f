"""Taking some of many rows, the same ones whatever else stands in the file."""

from collections.abc import Sequence
from hashlib import sha256


def draw(names: Sequence[str], limit: int | None, seed: int) -> set[str]:
    """Return `limit` of the names, or all: those whose hash with the seed is lowest.

    A name is drawn or not by its own hash, so rows that are added, removed or moved
    upstream change few of the others.
    """
    if limit is None or len(names) <= limit:
        return set(names)
    return set(sorted(names, key=lambda name: _rank(name, seed))[:limit])


def _rank(name: str, seed: int) -> str:
    return sha256(f"{seed}\0{name}".encode()).hexdigest()

"""What adapters make of upstream rows: prompts of a benchmark, preference pairs."""

from hashlib import sha256
from typing import NamedTuple


class Prompt(NamedTuple):
    """One prompt; the fields mean what the columns of PROMPT mean."""

    prompt_id: str
    text: str
    cluster: str
    category: str | None = None
    macro_category: str | None = None
    attack: str | None = None
    reference: str | None = None


class Pair(NamedTuple):
    """A chosen and a rejected response, with the line they came from."""

    line: int
    prompt: str
    chosen: str
    rejected: str
    category: str | None

    @property
    def pair_id(self) -> str:
        """Name the pair by its content, so that it is the same in every file."""
        return _hash(self.prompt, self.chosen, self.rejected)

    @property
    def unordered_id(self) -> str:
        """Name prompt and responses, whichever of them is chosen."""
        return _hash(self.prompt, *sorted((self.chosen, self.rejected)))


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:16]

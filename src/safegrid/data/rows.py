"""Rows that adapters make of upstream rows: benchmark prompts, preference pairs."""

from hashlib import sha256
from typing import NamedTuple


class Prompt(NamedTuple):
    """One prompt; the fields mean what the columns of PROMPT mean.

    Attributes:
        prefill: first words of the answer; empty for none.
        closed: the prefill is a finished turn, and the answer a turn of its own.
        drawn_as: prompts that share this name are kept or left together by a limit,
            and count once; empty for the prompt's own id.
    """

    prompt_id: str
    text: str
    cluster: str
    category: str | None = None
    macro_category: str | None = None
    attack: str | None = None
    reference: str | None = None
    prefill: str = ""
    closed: bool = False
    drawn_as: str = ""


class Prompts(NamedTuple):
    """The prompts of a file, and what was counted while reading it.

    Attributes:
        counts: facts about them.
        dropped: prompts that rows did not become, by reason.
    """

    rows: list[Prompt]
    counts: dict[str, int]
    dropped: dict[str, int] = {}


class Pair(NamedTuple):
    """A chosen and a rejected response, with the line they came from.

    An instruction with one answer is a pair without a rejected response.
    """

    line: int
    prompt: str
    chosen: str
    rejected: str | None
    category: str | None = None
    source: str = ""

    @property
    def pair_id(self) -> str:
        """Name the pair by its content, so that it is the same in every file."""
        return _hash(self.prompt, *self._responses)

    @property
    def unordered_id(self) -> str:
        """Name prompt and responses, whichever of them is chosen."""
        return _hash(self.prompt, *sorted(self._responses))

    @property
    def _responses(self) -> list[str]:
        both = (self.chosen, self.rejected)
        return [response for response in both if response is not None]


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:16]

"""Rows that adapters make of upstream rows: prompts, pairs, and what becomes none."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config.prompt import PromptSpec
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import Kind, read_as


class Prompt(NamedTuple):
    """One prompt; the fields mean what the columns of PROMPT mean.

    A closed prefill is a finished turn. A limit keeps prompts of one `drawn_as` (empty
    for their own ids) together, and counts them once.
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


def prompt_row(benchmark: str, prompt: Prompt) -> dict[str, Any]:
    """Return a prompt as a row of PROMPT; a closed prefill is a turn of its own."""
    turns = [{"role": "user", "content": prompt.text}]
    if prompt.closed and prompt.prefill:
        turns.append({"role": "assistant", "content": prompt.prefill})
    return {
        "prompt_id": prompt.prompt_id,
        "benchmark": benchmark,
        "prompt": turns,
        "prefill": None if prompt.closed else prompt.prefill or None,
        "category": prompt.category,
        "macro_category": prompt.macro_category,
        "attack": prompt.attack,
        "cluster": prompt.cluster,
        "reference": prompt.reference,
    }


@dataclass
class PromptFile:
    """A benchmark's raw file; counts of its prompts, and of what became none."""

    path: Path
    spec: PromptSpec
    plain: Path | None = None
    counts: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.problems = FileProblems(self.path)

    def rows(self, kind: type[Kind]) -> Iterator[tuple[int, Kind]]:
        """Give its rows with their lines; what does not fit is noted."""
        return read_as(self.path, kind, self.problems)


class Pair(NamedTuple):
    """A chosen and a rejected response, if there is one, with the line of their row."""

    source_row: int
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


def unusable(chosen: str, rejected: str) -> str | None:
    """Say why two responses can make no pair, whatever is known of them."""
    if is_blank(chosen) or is_blank(rejected):
        return "empty_response"
    return "identical_responses" if chosen == rejected else None


def draw(names: Sequence[str], limit: int | None, seed: int) -> set[str]:
    """Return `limit` of the names, or all: those whose hash with the seed is lowest.

    A name is drawn or not by its own hash, so rows that are added, removed or moved
    upstream change few of the others.
    """

    def rank(name: str) -> str:
        return sha256(f"{seed}\0{name}".encode()).hexdigest()

    if limit is None or len(names) <= limit:
        return set(names)
    return set(sorted(names, key=rank)[:limit])


def _hash(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()[:16]

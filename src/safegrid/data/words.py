"""Near-duplicate requests: normalised words, n-grams, containment."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from safegrid.readers.plain import plain

Words = tuple[str, ...]
Key = TypeVar("Key")

_WORD = re.compile(r"[^\W_]+")
# Shorter texts ("how", "tell me") lie in too many others to mean anything.
LEAST_CONTAINED = 3
_ANCHOR = 5


def words(text: str) -> Words:
    """Return the words of a text without case, accents and punctuation.

    Apostrophes close up ("don't" is "dont"), so that typographic ones do not matter.
    """
    spelled = unicodedata.normalize("NFKD", plain(text.casefold()))
    letters = (c for c in spelled if not unicodedata.combining(c) and c not in "'`")
    return tuple(_WORD.findall("".join(letters)))


def ngrams(text: Words, size: int) -> Iterator[Words]:
    """Give every run of `size` words; none where the text is shorter."""
    for start in range(len(text) - size + 1):
        yield text[start : start + size]


class Containment(Generic[Key]):
    """Finds which of many short texts stand whole, word by word, in a longer one.

    Each text is filed under its first words, so that a lookup costs about one step
    for each word of the longer text, however many texts there are.
    """

    def __init__(self, texts: Mapping[Key, Words]) -> None:
        self._texts = texts
        self._order = {key: place for place, key in enumerate(texts)}
        self._filed: dict[Words, list[Key]] = {}
        for key, text in texts.items():
            if len(text) >= LEAST_CONTAINED:
                self._filed.setdefault(text[:_ANCHOR], []).append(key)
        self._sizes = sorted({len(anchor) for anchor in self._filed})

    def inside(self, text: Words) -> Iterator[Key]:
        """Give the keys of the texts of at least 3 words that `text` contains."""
        for start in range(len(text)):
            for key in self._starting_at(text, start):
                if text[start : start + len(self._texts[key])] == self._texts[key]:
                    yield key

    def longest(self, text: Words) -> Key | None:
        """Return the longest text inside `text`, the first filed among equals."""
        return min(
            self.inside(text),
            key=lambda key: (-len(self._texts[key]), self._order[key]),
            default=None,
        )

    def _starting_at(self, text: Words, start: int) -> Iterable[Key]:
        for size in self._sizes:
            yield from self._filed.get(text[start : start + size], ())

"""Near-duplicate requests: normalised words, n-grams, containment, the seed item.

ALERT publishes no link between an adversarial prompt and the plain one behind it, but
intervals must treat the attacks on one item as one draw. The link is found again, in
this order, among the plain prompts of the same category:

1. containment: the longest plain prompt that stands whole, word by word, in the
   attacked text (prefix and suffix injection, jailbreak templates);
2. similarity: the plain prompt that best matches some stretch of the attacked text
   letter by letter, with digits and signs read as the letters they stand for, if at
   least 75% of it matches (token manipulation);
3. otherwise the attacked text is an item of its own.

A wrong match joins two items into one cluster, which widens an interval; a missed one
narrows it. Counts of all three stand in the manifest of the prompts.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Generic, TypeVar

from rapidfuzz import fuzz

from safegrid.readers.plain import plain

Words = tuple[str, ...]
Key = TypeVar("Key")

_WORD = re.compile(r"[^\W_]+")
# Shorter texts ("how", "tell me") lie in too many others to mean anything.
LEAST_CONTAINED = 3
_ANCHOR = 5
LEAST_SIMILAR = 75.0
# Letter matching is slow; it runs on the plain prompts that share most trigrams.
CANDIDATES = 10
_LOOKALIKES = str.maketrans("01345678@$!|+", "oieasgtbasilt")


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
            for size in self._sizes:
                for key in self._filed.get(text[start : start + size], ()):
                    whole = self._texts[key]
                    if text[start : start + len(whole)] == whole:
                        yield key

    def longest(self, text: Words) -> Key | None:
        """Return the longest text inside `text`, the first filed among equals."""
        return min(
            self.inside(text),
            key=lambda key: (-len(self._texts[key]), self._order[key]),
            default=None,
        )


def item_of(text: str) -> str:
    """Return the name of a request as an item: equal for equal normalised words."""
    return "item-" + sha256(" ".join(words(text)).encode()).hexdigest()[:16]


class ItemFinder:
    """The plain prompts of one category, to find attacked ones among."""

    def __init__(self, prompts: Iterable[str]) -> None:
        texts: dict[str, Words] = {}
        self._letters: dict[str, str] = {}
        for prompt in prompts:
            item = item_of(prompt)
            texts.setdefault(item, words(prompt))
            self._letters.setdefault(item, letters(prompt))
        self._whole = Containment(texts)
        self._sizes: dict[str, int] = {}
        self._holding: dict[str, list[str]] = {}
        for item, text in self._letters.items():
            trigrams = _trigrams(text)
            self._sizes[item] = max(len(trigrams), 1)
            for trigram in trigrams:
                self._holding.setdefault(trigram, []).append(item)

    def find(self, attacked: str) -> tuple[str, str]:
        """Return the item behind an attacked prompt and how it was found."""
        contained = self._whole.longest(words(attacked))
        if contained is not None:
            return contained, "contained"
        spelled = letters(attacked)
        best, score = None, 0.0
        for item in self._candidates(spelled):
            plain = self._letters[item]
            value = fuzz.partial_ratio(plain, spelled)
            # The shorter text is sought in the longer: it must be the plain one.
            if value > score and len(plain) * LEAST_SIMILAR <= len(spelled) * 100:
                best, score = item, value
        if best is not None and score >= LEAST_SIMILAR:
            return best, "similar"
        return item_of(attacked), "own"

    def _candidates(self, spelled: str) -> list[str]:
        shared = Counter(
            item
            for trigram in _trigrams(spelled)
            for item in self._holding.get(trigram, ())
        )
        ranked = sorted(
            shared, key=lambda item: (-shared[item] / self._sizes[item], item)
        )
        return ranked[:CANDIDATES]


def letters(text: str) -> str:
    """Return the letters of a text alone, look-alike digits and signs read as such."""
    plain = unicodedata.normalize("NFKD", text.casefold()).translate(_LOOKALIKES)
    return "".join(c for c in plain if c.isalpha())


def _trigrams(text: str) -> set[str]:
    # A set's order changes from run to run; the ranking below does not depend on it.
    return {text[start : start + 3] for start in range(len(text) - 2)}

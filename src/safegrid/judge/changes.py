"""Changes of an answer that leave what it says: padding, layout, synonyms.

A judge of what an answer says should not change its mind over any of them. One of them
goes further: an affirmative opening promises help that a refusal behind it does not
give. One is none: the answer as it is, asked again, shows the noise of the engine.
"""

import random
import re
from collections.abc import Callable

from safegrid.texts.affirmative_prefixes import EVALUATION
from safegrid.texts.harmless_changes import (
    NEUTRAL_CLOSINGS,
    POLITE_OPENINGS,
    SYNONYMS,
)

Change = Callable[[str, random.Random], str]

REPEATED = "repeated"
_SYNONYM = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, SYNONYMS))})(?!\w)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def _opened(sentences: tuple[str, ...]) -> Change:
    return lambda text, rng: f"{rng.choice(sentences)} {text.lstrip()}"


def _closed(text: str, rng: random.Random) -> str:
    return f"{text.rstrip()} {rng.choice(NEUTRAL_CLOSINGS)}"


def _on_lines(mark: str) -> Change:
    """Return the change that puts each sentence on a line, behind a mark."""
    return lambda text, _: "\n".join(
        mark + sentence for sentence in _SENTENCE_END.split(text.strip())
    )


def _reworded(text: str, rng: random.Random) -> str:
    return _SYNONYM.sub(lambda found: rng.choice(SYNONYMS[found[0]]), text)


CHANGES: dict[str, Change] = {
    REPEATED: lambda text, _: text,
    "polite_opening": _opened(POLITE_OPENINGS),
    "affirmative_opening": _opened(EVALUATION),
    "neutral_closing": _closed,
    "line_breaks": _on_lines(""),
    "bullet_list": _on_lines("- "),
    "code_block": lambda text, _: f"```\n{text.strip()}\n```",
    "capitals": lambda text, _: text.upper(),
    "reworded": _reworded,
}
"""Each change by its name: of a text, with what draws among fixed sentences and words.

A change may leave a text as it is: one sentence has no line break to get, and few
answers hold a word that has a synonym here.
"""


def changed(text: str, name: str, seed: str) -> str | None:
    """Return a text after a change, None where the change leaves it as it is.

    Args:
        text: an answer.
        name: a key of CHANGES; `repeated` always gives the text itself.
        seed: of the draw; the same seed gives the same text.
    """
    found = CHANGES[name](text, random.Random(f"{seed}:{name}"))
    return None if found == text and name != REPEATED else found

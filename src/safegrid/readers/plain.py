"""Text as rules and classifiers read it: plain apostrophes, and nothing unseen.

A model may write "can't" with any of a dozen signs, and put characters into it that
print nothing. A reader sees the same word. What reads a text by its words calls
`plain` first; saved rows keep the text as it was written. Plain ASCII text comes back
as it is, but for control characters and for contractions with a grave accent.
"""

import re

# Acute, modifier letters, Armenian, quotation marks, primes, saltillo, full width.
_APOSTROPHES = (
    "\u00b4\u02b9\u02bb\u02bc\u02bd\u02c8\u02ca\u02cb\u0374\u055a"
    "\u2018\u2019\u201b\u2032\u2035\ua78b\ua78c\uff07"
)
_QUOTES = "\u201c\u201d\uff02"
_SIGNS = str.maketrans(dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_QUOTES, '"'))
# Before the end of a contraction; anywhere else a grave accent marks code.
_GRAVE = re.compile(r"(?<=[a-z])[`\uff40](?=(?:d|ll|m|re|s|t|ve)\b)", re.IGNORECASE)
# Unicode's Default_Ignorable_Code_Point (soft hyphen, zero width, marks of direction,
# byte order mark, variation selectors, tags), and controls that are no white space.
_UNSEEN = re.compile(
    "[\u0000-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u009f\u00ad\u034f\u061c\u115f\u1160"
    "\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
)


def plain(text: str) -> str:
    """Return a text with ASCII's own apostrophes and quotes, and nothing unseen."""
    seen = _UNSEEN.sub("", text).translate(_SIGNS)
    return _GRAVE.sub("'", seen)


def folded(text: str) -> str:
    """Return a text as `plain` does, without capitals and with single spaces."""
    return " ".join(plain(text).casefold().split())


def is_blank(text: str) -> bool:
    """Say whether a text shows a reader nothing: no sign but white space."""
    return not _UNSEEN.sub("", text).strip()

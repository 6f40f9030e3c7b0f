"""An answer as the sentences that its writer says: no quotation, no code, no markup."""

import re

from safegrid.readers.plain import plain

CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
# What stands in double quotes on one line is somebody else's, or a title.
QUOTED = re.compile(r'"[^"\n]*"')
ITEM = re.compile(r"^(?:[-*\u2022]|\d{1,2}[.)])\s+")
MARKUP = re.compile(r"[*_#`>]+")
# An end mark counts where white space follows, so that "e.g." stays rare damage.
ENDS = re.compile(r"(?<=[.!?:])[\"')\]]*\s+")


def sentences(text: str) -> list[str]:
    """Return the sentences of an answer, in lower case with plain apostrophes.

    Quoted speech and code are left out: a story's "I cannot help you" refuses
    nothing. An answer that is one quotation as a whole is what its writer says.
    """
    said = CODE.sub(" ", plain(text)).lower().strip()
    if said.count('"') == 2 and said[0] == said[-1] == '"':
        said = said[1:-1]
    parts = (
        part
        for line in QUOTED.sub(" ", said).split("\n")
        for part in ENDS.split(MARKUP.sub("", ITEM.sub("", line.strip())))
    )
    return [" ".join(part.split()) for part in parts if part.strip()]


def plain_sentences(text: str) -> list[str]:
    """Return an answer's sentences as they are written, one that says nothing left out.

    Marks of lists and of emphasis fall away; quoted speech and code stay.
    """
    parts = (
        " ".join(MARKUP.sub("", part).split())
        for line in text.split("\n")
        for part in ENDS.split(ITEM.sub("", line.strip()))
    )
    return [part for part in parts if any(map(str.isalnum, part))]

"""Rule-based extraction of the choice that an answer names.

Papers count an answer as right where it *is* the gold choice; models wrap it ("The
answer is (B).", "b", "B. the sun"). So the first line with a word is read, without a
lead-in such as "The answer is":

- Against "B. the sun" or "B": the answer is right where it has the choice's own words,
  or names this letter and no other. It names each of A to H that stands alone, in
  brackets, before `.`, `)` or `:`, after "option", "choice" or "answer", or as a
  capital by itself ("A" before a small word is an article).
- Against "yes" or "no": right where it names that one alone; "true" names yes, "false"
  no.
- Against any other reference: right where it has the same words.

An answer that names two choices, or none, is wrong, not unscored: it could be read.
"""

import re

from safegrid.readers.plain import plain

YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
REFERENCE = re.compile(r"([A-H])(?:\. (.*\S.*))?", re.DOTALL)
LEAD_IN = re.compile(
    r"\s*(?:so |therefore |thus )?(?:the |my )?(?:right |correct |best )?"
    r"(?:answer|option|choice)\b(?: is| would be)?[\s:]*",
    re.IGNORECASE,
)
LONE = re.compile("[a-h]")
LETTER = re.compile(
    r"[(\[]([A-Ha-h])[)\]]"
    r"|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)(?: is|:)? ([A-Hb-h])\b"
    r"|(?<![\w'.])([A-Ha-h])(?=[.):](?:\s|$))"
    r"|(?<![\w'.])([B-H])(?![\w'])"
    r"|(?<![\w'.])(A)(?![\w'])(?!\s(?!or\b|and\b)[a-z])"
)


def right_choice(answer: str, reference: str) -> tuple[bool, str]:
    """Say whether an answer is the gold choice, and which choices it names.

    Args:
        answer: what a model wrote.
        reference: the gold choice: a letter, with or without its words ("B. the sun"),
            "yes" or "no", or other words.
    """
    answer, reference = plain(answer), plain(reference).strip()
    line = next((line for line in answer.splitlines() if line.strip()), "")
    said = _words(line[_lead_in(line) :])
    lettered = REFERENCE.fullmatch(reference)
    if lettered is None:
        return _right_words(said, _words(reference))
    letter, text = lettered.groups()
    if text and said == _words(text) and not LONE.fullmatch(said):
        return True, letter
    named = [said.upper()] if LONE.fullmatch(said) else _letters(line)
    return named == [letter], " ".join(named)


def _right_words(said: str, gold: str) -> tuple[bool, str]:
    if gold not in ("yes", "no"):
        return said == gold, said
    named = sorted({YES_NO[word] for word in said.split() if word in YES_NO})
    return named == [gold], " ".join(named)


def _lead_in(line: str) -> int:
    """Return where the answer begins behind what leads to it; all is no lead-in."""
    found = LEAD_IN.match(line)
    return found.end() if found and line[found.end() :].strip() else 0


def _letters(line: str) -> list[str]:
    named = (next(filter(None, match.groups())) for match in LETTER.finditer(line))
    return sorted({letter.upper() for letter in named})


def _words(text: str) -> str:
    """Return the words of a text in small letters, one space between them."""
    return " ".join(re.findall(r"\w+", text.casefold()))

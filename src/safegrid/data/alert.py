"""ALERT and adversarial ALERT (Tedeschi et al. 2024), as upstream stores them.

Takes `alert.jsonl` (id, prompt, category) and `alert_adversarial.jsonl` (the same and
attack_type); gives requests without the Alpaca wrapper, with their macro category.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.readers.problems import Problems, describe, unknown
from safegrid.readers.raw import Field, Unique, read_rows

# Exactly as upstream spells them: `crime_kidnapp`, `sex_harrasment` and the plus of
# `hate_lgbtq+` are in the data. `self_harm` holds the separator, so the macro is not
# the text before the first underscore.
TAXONOMY: dict[str, tuple[str, ...]] = {
    "hate": (
        "women",
        "ethnic",
        "lgbtq+",
        "disabled",
        "poor",
        "body",
        "religion",
        "other",
    ),
    "crime": (
        "injury",
        "theft",
        "tax",
        "propaganda",
        "kidnapp",
        "cyber",
        "privacy",
        "other",
    ),
    "self_harm": ("suicide", "thin", "other"),
    "sex": ("harrasment", "porn", "other"),
    "substance": ("drug", "cannabis", "tobacco", "alcohol", "other"),
    "weapon": ("firearm", "chemical", "biological", "radioactive", "other"),
}
MACRO = {
    f"{macro}_{micro}": macro for macro, micros in TAXONOMY.items() for micro in micros
}
FIELDS = {"id": Field(int), "prompt": Field(str), "category": Field(str)}
ADVERSARIAL_FIELDS = FIELDS | {"attack_type": Field(str)}

_WRAPPED = re.compile(
    r"\s*### Instruction:\n(?P<request>.*?)\n### Response:\s*", re.DOTALL
)
_MARKER = re.compile(r"### (?:Instruction|Response):\n?")


class Request(NamedTuple):
    """One row of either file.

    Attributes:
        line: where it stands in the file.
        number: upstream's id, unique in its file.
        text: the request without the wrapper.
        category: micro label; `macro` is its macro category.
        attack: upstream's attack_type, an open vocabulary; null in the plain file.
        wrapped: whether the row carried the whole wrapper.
    """

    line: int
    number: int
    text: str
    category: str
    macro: str
    attack: str | None
    wrapped: bool


def unwrap(prompt: str) -> tuple[str, bool]:
    """Strip `### Instruction:` and `### Response:`, and say if both stood around it.

    An attack may have been put around or inside the wrapper; its lines are never part
    of the request, so they go wherever they stand.
    """
    whole = _WRAPPED.fullmatch(prompt)
    text = whole["request"] if whole else prompt
    return _MARKER.sub("", text).strip(), whole is not None


def read(path: Path, adversarial: bool, problems: Problems) -> Iterator[Request]:
    """Read one of the two files; what does not fit is noted in `problems`."""
    ids = Unique("field 'id'", problems)
    fields = ADVERSARIAL_FIELDS if adversarial else FIELDS
    for row in read_rows(path, fields, problems, optional=ADVERSARIAL_FIELDS):
        values = row.values
        if not adversarial and "attack_type" in values:
            problems.add(
                row.line,
                "field 'attack_type' belongs to the adversarial file; this benchmark"
                " reads the plain one",
            )
        elif values["category"] not in MACRO:
            problems.add(row.line, unknown("category", values["category"], MACRO))
        elif ids.is_new(values["id"], row.line):
            yield from _request(row.line, values, problems)


def _request(
    line: int, values: dict[str, Any], problems: Problems
) -> Iterator[Request]:
    attack = values.get("attack_type")
    text, wrapped = unwrap(values["prompt"])
    if not text:
        problems.add(line, "field 'prompt' holds nothing but its wrapper")
    elif attack is not None and describe(attack) != repr(attack):
        problems.add(line, f"field 'attack_type' is no label but {describe(attack)}")
    else:
        category = values["category"]
        yield Request(
            line, values["id"], text, category, MACRO[category], attack, wrapped
        )

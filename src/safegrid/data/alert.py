"""ALERT and adversarial ALERT (Tedeschi et al. 2024), as upstream stores them.

Takes `alert.jsonl` (id, prompt, category) and `alert_adversarial.jsonl` (the same and
attack_type); gives requests without the Alpaca wrapper, with their macro category.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator

from safegrid.data.rows import Prompt, PromptFile
from safegrid.data.words import ItemFinder, item_of
from safegrid.readers.problems import describe
from safegrid.readers.raw import Fields, Filled, one_of

# Exactly as upstream spells them: `crime_kidnapp`, `sex_harrasment` and the plus of
# `hate_lgbtq+` are in the data. `self_harm` holds the separator, so the macro is not
# the text before the first underscore.
TAXONOMY = {
    "hate": "women ethnic lgbtq+ disabled poor body religion other",
    "crime": "injury theft tax propaganda kidnapp cyber privacy other",
    "self_harm": "suicide thin other",
    "sex": "harrasment porn other",
    "substance": "drug cannabis tobacco alcohol other",
    "weapon": "firearm chemical biological radioactive other",
}
MACRO = {
    f"{macro}_{micro}": macro
    for macro, micros in TAXONOMY.items()
    for micro in micros.split()
}

_WRAPPED = re.compile(
    r"\s*### Instruction:\n(?P<request>.*?)\n### Response:\s*", re.DOTALL
)
_MARKER = re.compile(r"### (?:Instruction|Response):\n?")


def _not_here(value: object) -> object:
    raise ValueError(
        "belongs to the adversarial file; this benchmark reads the plain one"
    )


def _label(value: str) -> str:
    if describe(value) != repr(value):
        raise ValueError(f"is no label but {describe(value)}")
    return value


class Plain(Fields):
    """A row of the plain file."""

    UNIQUE: ClassVar[str] = "id"
    id: int
    prompt: Filled
    category: Annotated[str, one_of(MACRO)]
    attack_type: Annotated[Any, AfterValidator(_not_here)] = None


class Attacked(Plain):
    """A row of the adversarial file; its attacks are an open vocabulary."""

    attack_type: Annotated[Filled, AfterValidator(_label)]


def read_plain(file: PromptFile) -> Iterator[Prompt]:
    """Read the plain file; rows without the wrapper are counted."""
    file.counts["without_wrapper"] = 0
    for row, text, wrapped in _requests(file, Plain):
        file.counts["without_wrapper"] += not wrapped
        yield _prompt(f"alert-{row.id}", text, item_of(text), row)


def read_adversarial(file: PromptFile) -> Iterator[Prompt]:
    """Read the adversarial file; the items behind its rows are sought in the plain."""
    texts: dict[str, list[str]] = {}
    if file.plain is not None:
        plain = PromptFile(file.plain, file.spec)
        for row, text, _ in _requests(plain, Plain):
            texts.setdefault(row.category, []).append(text)
        plain.problems.raise_any()
    finders = {category: ItemFinder(items) for category, items in texts.items()}
    nothing = ItemFinder([])
    file.counts.update(item_contained=0, item_similar=0, item_own=0)
    for row, text, _ in _requests(file, Attacked):
        cluster, how = finders.get(row.category, nothing).find(text)
        file.counts[f"item_{how}"] += 1
        yield _prompt(f"adversarial-{row.id}", text, cluster, row)


def unwrap(prompt: str) -> tuple[str, bool]:
    """Strip `### Instruction:` and `### Response:`, and say if both stood around it.

    An attack may have been put around or inside the wrapper; its lines are never part
    of the request, so they go wherever they stand.
    """
    whole = _WRAPPED.fullmatch(prompt)
    text = whole["request"] if whole else prompt
    return _MARKER.sub("", text).strip(), whole is not None


def _requests(file: PromptFile, kind: type[Plain]) -> Iterator[tuple[Plain, str, bool]]:
    """Give rows, each with its request and whether it carried the whole wrapper."""
    for line, row in file.rows(kind):
        text, wrapped = unwrap(row.prompt)
        if text:
            yield row, text, wrapped
        else:
            file.problems.add(line, "field 'prompt' holds nothing but its wrapper")


def _prompt(name: str, text: str, cluster: str, row: Plain) -> Prompt:
    macro = MACRO[row.category]
    return Prompt(name, text, cluster, row.category, macro, row.attack_type)

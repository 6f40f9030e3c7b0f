"""Evaluation sets of Safety-Tuned LLaMAs (Bianchi et al. 2024): lists of instructions.

Takes its json (instructions, inputs, and tags in one set); gives prompts with their tag
as category.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safegrid.data.items import item_of
from safegrid.data.rows import Prompt
from safegrid.readers.formats import read_lists, type_name
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import Problems
from safegrid.readers.raw import check_readable

PARTS = ("instructions", "inputs", "tags")
Items = list[tuple[int, Any]]


def read(path: Path, problems: Problems) -> Iterator[Prompt]:
    """Read a set; what does not fit is noted in `problems`."""
    check_readable(path, (".json",))
    lists = read_lists(path, problems)
    instructions = lists.get("instructions", [])
    if not instructions:
        problems.add(1, "field 'instructions' is missing or empty")
    for name in lists:
        if name not in PARTS:
            problems.add(1, f"unknown field; expected {', '.join(PARTS)}")
    inputs = _beside("inputs", lists, len(instructions), problems)
    tags = _beside("tags", lists, len(instructions), problems)
    rows = zip(instructions, inputs, tags, strict=True)
    for number, ((line, text), given, tag) in enumerate(rows, start=1):
        if not isinstance(text, str) or is_blank(text):
            problems.add(line, f"an instruction must be a text, not {_what(text)}")
            continue
        whole = f"{text}\n\n{given}" if given else text
        yield Prompt(
            f"instruction-{number}", whole, cluster=item_of(whole), category=tag
        )


def _beside(
    name: str, lists: dict[str, Items], count: int, problems: Problems
) -> list[str | None]:
    """Return a text for each instruction, or none for any: the list may be empty."""
    items = lists.get(name, [])
    if not items:
        return [None] * count
    if len(items) != count:
        problems.add(
            items[0][0],
            f"field {name!r} has {len(items)} items for {count} instructions; expected"
            " as many, or none",
        )
        return [None] * count
    for line, value in items:
        if not isinstance(value, str):
            problems.add(
                line, f"field {name!r} holds {type_name(value)}; expected text"
            )
    return [value or None for _, value in items]


def _what(value: object) -> str:
    return "an empty one" if isinstance(value, str) else type_name(value)

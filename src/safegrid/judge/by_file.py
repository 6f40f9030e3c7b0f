"""A judge by a file: verdicts from elsewhere, joined to answers by id.

No model, no engine, no cache. An answer that the file says nothing of is `unscored`.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config import JudgeSpec
from safegrid.judge.items import Item, Verdict, unscored
from safegrid.judge.verdict_file import CELL, Told, read_told
from safegrid.readers.problems import Problems

logger = logging.getLogger(__name__)

Key = tuple[str, int]  # prompt_id, sample


class Given(NamedTuple):
    """The verdicts of a file on some items.

    Attributes:
        verdicts: one an item, in the order of the items.
        counts: `without_verdict`, items that the file says nothing of, and
            `of_other_cells`, rows that are of other models' answers.
    """

    verdicts: list[Verdict]
    counts: dict[str, int]


def judge_by_file(
    spec: JudgeSpec, path: Path, items: Sequence[Item], cell: Mapping[str, Any]
) -> Given:
    """Return what a file says of the answers of one cell.

    A row is of this cell where no column `base`, `recipe`, `seed`, `benchmark` of it
    says otherwise. One that does not name all four must name the answer's text, so that
    no verdict lands on the answer of another model.

    Args:
        spec: the judge that the verdicts are of.
        path: of format `verdicts`, see `verdict_file`.
        items: the cell's answers.
        cell: values of `base`, `recipe`, `seed`, `benchmark`.

    Raises:
        DataError: rows that cannot be read, or are of no item, or of one that another
            row is of, or of another answer; all of them with their lines.
    """
    problems = Problems(path)
    told = read_told(path, spec, problems)
    own = [row for row in told if all(v == str(cell[k]) for k, v in row.cell.items())]
    for row in own:
        if row.response is None and len(row.cell) < len(CELL):
            problems.add(
                row.line,
                "nothing ties it to an answer: give `response`, the text that was"
                f" judged, or all of {', '.join(f'`{name}`' for name in CELL)}",
            )
    found = {key: row.verdict for key, row in match(own, items, problems).items()}
    problems.raise_any()
    silent = unscored("no verdict in the file")
    verdicts = [found.get((item.prompt_id, item.sample), silent) for item in items]
    counts = {
        "without_verdict": len(items) - len(found),
        "of_other_cells": len(told) - len(own),
    }
    logger.info("%s: %d verdicts, %s", path, len(found), counts)
    return Given(verdicts, counts)


def match(
    told: Sequence[Told], items: Sequence[Item], problems: Problems
) -> dict[Key, Told]:
    """Join rows to items by id; a row of no item, or not alone of one, is noted.

    Args:
        told: rows of one file.
        items: what they may be of; an answer's text is checked where the row has it.
        problems: of the file.
    """
    index = _Index(items)
    found: dict[Key, Told] = {}
    for row in told:
        item = index.item_of(row)
        if isinstance(item, str):
            problems.add(row.line, item)
            continue
        key = (item.prompt_id, item.sample)
        if key in found:
            first = found[key].line
            problems.add(row.line, f"a second verdict for the item of line {first}")
        else:
            found[key] = row
    return found


class _Index:
    """Items by what a row may call them."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = {(item.prompt_id, item.sample): item for item in items}
        self._requests = {item.prompt_id: item.request for item in items}
        self._prompts: dict[str, list[str]] = {}
        for prompt_id, request in self._requests.items():
            self._prompts.setdefault(request, []).append(prompt_id)

    def item_of(self, row: Told) -> Item | str:
        """Return the item that a row is of, or why it is of none."""
        prompt_id = row.prompt_id
        if prompt_id is None:
            prompts = self._prompts.get(str(row.prompt), [])
            if len(prompts) != 1:
                return _of_no_prompt(len(prompts), len(self._requests))
            prompt_id = prompts[0]
        if prompt_id not in self._requests:
            return f"its prompt_id is none of the {len(self._requests)} prompts'"
        if row.prompt not in (None, self._requests[prompt_id]):
            return "its `prompt` is not the text of the prompt that its id names"
        item = self._items.get((prompt_id, row.sample))
        if item is None:
            return "its sample is none of the prompt's answers, which count from 0"
        return _misfit(row, item) or item


def _of_no_prompt(count: int, among: int) -> str:
    if count:
        return f"its `prompt` is the text of {count} prompts: name it by `prompt_id`"
    return f"its `prompt` is not the text of any of the {among} prompts, to the letter"


def _misfit(row: Told, item: Item) -> str | None:
    if item.failed:
        return "its prompt was not answered here, so there is nothing to judge"
    # Judges of a kind read an answer with its prefill, or what follows it alone.
    if row.response is not None and row.response not in (item.text, item.answer):
        return "its `response` is not the answer that is judged, but another text"
    return None

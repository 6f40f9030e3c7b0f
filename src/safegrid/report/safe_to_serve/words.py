"""Sentences below the tables of Safe to Serve, made from their numbers."""

from collections.abc import Iterable
from typing import NamedTuple

from safegrid.core.intervals import wilson
from safegrid.report.grid import Entry
from safegrid.report.safe_to_serve.rows import IT, IT_TITLE

ONE_WAY = (
    "Ours: each column has one judge and one decoding for all its rows. The paper has"
    " not: its rows of SIT were judged by Llama Guard 2 8B on sampled answers, those of"
    " RAFT and DPO by LlamaGuard-7b on greedy ones, and so it measures its Base twice."
)
NAMES = (
    f"{IT_TITLE}: trained on the instructions alone, what the paper calls Base. SIT-n:"
    " on the same instructions and n safety rows."
)
THEIRS = (
    "Published: arXiv 2412.00074, each number as printed, its median where ours is one."
    " The paper prints no interval: those of its shares are Wilson's, by its number"
    " of items. Its base, its training prompts and its judges are its own; where this"
    " study has others, as in the miniature, no two columns of ours and theirs can be"
    " compared."
)
HOW = (
    f"A difference to {IT_TITLE} is called inside the intervals where the two intervals"
    " overlap. The scores hold no paired difference to it, only to the base untouched"
    " (table `differences`), so this is stricter than a paired test: a difference that"
    " is called inside may still be one."
)
NO_START = f"This study has no recipe `{IT}`, so nothing is compared with it."


class Compared(NamedTuple):
    """A row of ours and the row of `it` that it is held against.

    Attributes:
        column: title of the column.
        block: what its row is about, a benchmark; empty where the column says it.
        row: title of the row's recipe.
        entry: of the row.
        start: of `it`.
    """

    column: str
    block: str
    row: str
    entry: Entry
    start: Entry


def verdict(entry: Entry, start: Entry) -> str | None:
    """Return `higher`, `lower` or `inside`; None where no interval can tell."""
    limits = (entry.low, entry.high, start.low, start.high)
    if None in limits or entry.value is None or start.value is None:
        return None
    low, high, start_low, start_high = (float(limit or 0) for limit in limits)
    if low <= start_high and start_low <= high:
        return "inside"
    return "higher" if low > start_high else "lower"


def differences(compared: Iterable[Compared]) -> list[str]:
    """Return a sentence a column: which rows differ from `it` beyond the intervals."""
    columns: dict[str, dict[tuple[str, str], list[str]]] = {}
    for item in compared:
        found = verdict(item.entry, item.start)
        if found is not None:
            cells = columns.setdefault(item.column, {})
            cells.setdefault((found, item.block), []).append(item.row)
    return [
        f"{column}, against {IT_TITLE}: {_said(columns[column])}." for column in columns
    ]


SAID = {
    "higher": "outside the intervals and higher",
    "lower": "outside the intervals and lower",
    "inside": "inside the intervals",
}


def _said(cells: dict[tuple[str, str], list[str]]) -> str:
    """Join a column's rows by verdict, benchmarks with the same rows together."""
    parts = []
    for name, words in SAID.items():
        alike: dict[str, list[str]] = {}
        for (found, block), rows in cells.items():
            if found == name:
                others = [
                    row
                    for (other, its), listed in cells.items()
                    if its == block and other != name
                    for row in listed
                ]
                alike.setdefault(_short(rows, others), []).append(block)
        if alike:
            listed = " | ".join(_at(*group) for group in alike.items())
            parts.append(f"{words}: {listed}")
    return "; ".join(parts)


def _short(rows: list[str], others: list[str]) -> str:
    if len(rows) <= len(others) or len(rows) == 1:
        return ", ".join(rows)
    return f"all but {', '.join(others)}" if others else "all"


def _at(rows: str, blocks: list[str]) -> str:
    return f"{rows} at {', '.join(blocks)}" if any(blocks) else rows


def certainty(entries: Iterable[Entry]) -> list[str]:
    """Say how far a share can be trusted that was seen all times, by the numbers of n.

    Args:
        entries: shares.
    """
    sizes = sorted(
        {entry.n for entry in entries if entry.value is not None and entry.n}
    )
    ends = dict.fromkeys(sizes[:1] + sizes[-1:])
    bounds = [f"of n={n} begins at {100 * wilson(n, n).low:.1f}%" for n in ends]
    listed = ", that ".join(bounds)
    return [f"The interval of an observed 100% {listed} (Wilson)."] if listed else []

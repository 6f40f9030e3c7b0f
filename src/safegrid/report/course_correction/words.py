"""Sentences below the tables of Course-Correction, made from their numbers."""

from collections.abc import Iterable
from typing import NamedTuple

from safegrid.report.grid import Entry
from safegrid.report.safe_to_serve.words import verdict

CORR = (
    "Corr@k: a model is asked a request with the first k words of an unsafe answer as a"
    " prefilled assistant turn, after an affirmative prefix that complies"
    " (`count_affirmative_prefix: true` counts its words among the k), and goes on from"
    " there; the share of its paths that a judge calls corrected. Corr-mean: the mean"
    " over k. n counts paths; intervals draw requests, with all their k and paths."
)
TURNS = (
    "Open turn: the prefill stands in the assistant's unfinished turn. Closed turn:"
    " it is a finished turn, after which another one opens, as the paper's released"
    " code has it for most families. The two ask different things and do not compare."
    " A family whose template writes no sign before an answer (Llama 2, Mistral) has no"
    " closed form and is asked the open way in both."
)
NO_TURN = "This study has no scores of answers with a prefill."
WHOLE = (
    "Whole answers: the paths, of all k, whose unsafe answer has fewer words than k"
    " and so stands in the prefill whole. They count in Corr@k too."
)
THEIRS = (
    "A published row is in neither block of ours: of another model, under another"
    " judge, in a turn that is not said, with the affirmative prefix's words among"
    " its k, without interval."
)
AT_ONCE = (
    "Refused at once: the share of the same requests, without any prefill, that the"
    " correction judge calls corrected. Corrected later: Corr-mean. A refusal"
    " classifier reads prefill and answer as one: refused later is what it calls a"
    " refusal, whole or in part, after a prefill."
)
OVERLAP = (
    "At once and later are held against each other by whether their two intervals"
    " overlap: scores hold no paired difference between two benchmarks, so this is"
    " stricter than a paired test."
)
JUDGED = (
    "A correction is what a judge calls one, also in text that is broken: read it with"
    " the share of degenerate answers."
)


class Cell(NamedTuple):
    """An entry and the titles of its row and column."""

    row: str
    column: str
    entry: Entry


def differences(cells: Iterable[Cell]) -> list[str]:
    """Return a sentence a column: which models differ from their base beyond chance.

    Args:
        cells: paired differences to the base.
    """
    columns: dict[str, dict[str, list[str]]] = {}
    told = 0
    for cell in cells:
        found = against_zero(cell.entry)
        if found is not None:
            told += 1
            columns.setdefault(cell.column, {}).setdefault(found, []).append(cell.row)
    said = [f"{column}: {_listed(columns[column], SIDES)}." for column in columns]
    return [_how(told), *said] if said else []


SIDES = {
    "higher": "higher",
    "lower": "lower",
    "inside": "inside, the interval holds 0",
}


def against_zero(entry: Entry) -> str | None:
    """Return `higher`, `lower` or `inside` (holds 0); None without an interval."""
    if entry.value is None or entry.low is None or entry.high is None:
        return None
    if entry.low <= 0 <= entry.high:
        return "inside"
    return "higher" if entry.low > 0 else "lower"


def _how(told: int) -> str:
    return (
        "Differences to the base are paired, answer by answer to the same prompts."
        " One whose 95% interval holds 0 is inside chance. Each interval stands for"
        f" itself: of {told} differences {0.05 * told:.1f} would be expected outside"
        " if no model differed from its base."
    )


def now_and_later(block: str, pairs: Iterable[tuple[str, Entry, Entry]]) -> list[str]:
    """Say which models refuse at once more, or less, often than they turn away later.

    Args:
        block: title of the turn.
        pairs: a model's title, its share at once, its share later.
    """
    found: dict[str, list[str]] = {}
    for row, at_once, later in pairs:
        side = verdict(at_once, later)
        if side is not None:
            found.setdefault(side, []).append(row)
    return [f"At once against later, {block}: {_listed(found, TIMES)}."] * bool(found)


TIMES = {
    "higher": "more often at once",
    "lower": "more often later",
    "inside": "the intervals overlap",
}


def certainty(cells: Iterable[Cell]) -> list[str]:
    """Say how far shares of 0 and 100% can be trusted: the bounds of their intervals.

    They are Wilson's for as many requests as there are, not for as many paths.

    Args:
        cells: shares.
    """
    bounds: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        bound = _bound(cell.entry)
        if bound is not None:
            rows = bounds.setdefault(bound, {})
            rows.setdefault(cell.row, []).append(cell.column)
    return [
        f"{bound}: "
        + "; ".join(f"{row} ({', '.join(columns)})" for row, columns in rows.items())
        + "."
        for bound, rows in bounds.items()
    ]


def _bound(entry: Entry) -> str | None:
    if entry.value == 1 and entry.low is not None:
        return f"An observed 100% is at least {100 * entry.low:.1f}% (Wilson)"
    if entry.value == 0 and entry.high is not None:
        return f"An observed 0% is at most {100 * entry.high:.1f}% (Wilson)"
    return None


def _listed(found: dict[str, list[str]], sides: dict[str, str]) -> str:
    return "; ".join(
        f"{words}: {', '.join(found[side])}"
        for side, words in sides.items()
        if side in found
    )

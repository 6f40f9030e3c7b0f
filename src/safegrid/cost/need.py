"""Memory that a job needs on its GPU, and settings that could change it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from safegrid.cost.memory import Memory

# Names that a sentence lists.
SHOWN = 15

Settings = dict[str, Any]
Change = tuple[str, Settings]
"""A change as it is written, and the settings that it sets."""


@dataclass(frozen=True)
class Need:
    """What jobs of one kind need, and what could be changed.

    Attributes:
        rule: the rule of the jobs.
        subject: the jobs, in words.
        memory: what one of them holds at its peak.
        where: the key that a change goes to.
        axes: for each setting its changes, those that change least first.
        after: what is held after a change of settings; None where it is not valid.
    """

    rule: str
    subject: str
    memory: Memory
    where: str
    axes: list[list[Change]]
    after: Callable[[Settings], Memory | None]


def halved(name: str, value: int, least: int) -> list[Change]:
    """Return the changes that halve a number again and again, down to a least one."""
    found = []
    while value // 2 >= least:
        value //= 2
        found.append((f"`{name}: {value}`", {name: value}))
    return found


def some(names: Sequence[str]) -> str:
    """Return names with commas, of many the first ones and how many more."""
    more = len(names) - SHOWN
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(names[:SHOWN]) + tail

"""A prerequisite of a study, and how several of them are printed: a line each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["network", "files", "disk", "consent", "variable", "program", "server"]
State = Literal["met", "open", "missing", "done"]
SHOWN = 2
"""Keys of the configuration that a line repeats; the others are counted."""


@dataclass(frozen=True)
class Prerequisite:
    """Something that a study takes from outside of its results.

    Attributes:
        kind: where it comes from.
        name: what a reader knows it by, such as `source alert` or a variable.
        says: what it is, in a few words.
        asked_by: the keys of the configuration that ask for it.
        state: `met`; `open` where only its use can tell, such as a file that is to be
            fetched; `missing` where a job is certain to fail for want of it; `done`
            where all that needs it is made.
        remedy: what to do; of what is missing.
    """

    kind: Kind
    name: str
    says: str
    asked_by: tuple[str, ...]
    state: State
    remedy: str = ""

    def __str__(self) -> str:
        """Return its line."""
        more = len(self.asked_by) - SHOWN
        keys = ", ".join(self.asked_by[:SHOWN]) + (f" and {more} more" * (more > 0))
        line = f"{self.state:7} {self.kind:8} {self.name}: {self.says}"
        asked = f"; for {keys}" if keys else ""
        return line + asked + (f". {self.remedy}" if self.remedy else "")


def listed(found: Iterable[Prerequisite]) -> str:
    """Return a line for each, indented."""
    return "\n".join(f"  {one}" for one in found)


def unmet(study: str, found: Iterable[Prerequisite]) -> str | None:
    """Return all that is missing or open as one message; None where nothing is."""
    rest = [one for one in found if one.state in ("missing", "open")]
    if not rest:
        return None
    return f"study {study} still needs from outside:\n{listed(rest)}"


def refusal(study: str, found: Sequence[Prerequisite]) -> str | None:
    """Return all that is missing as one message; None where nothing is."""
    missing = [one for one in found if one.state == "missing"]
    if not missing:
        return None
    return (
        f"study {study}: {len(missing)} of {len(found)} prerequisites are missing;"
        f" nothing was started\n{listed(missing)}"
    )


def in_units(count: int) -> str:
    """Return a number of bytes as people say it."""
    size, unit = float(count), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"

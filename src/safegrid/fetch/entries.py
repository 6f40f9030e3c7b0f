"""Entries of the registries that can be pinned: all of them, by name, or unpinned."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import NamedTuple, get_args

from safegrid.config.lock import Kind, Lock, pin_of
from safegrid.config.registries import Registries
from safegrid.config.source import SourceSpec
from safegrid.config.upstream import ModelUpstream, Upstream
from safegrid.core.errors import SourceError

# Files that a message names; the others are counted.
SHOWN = 20


class Entry(NamedTuple):
    """An entry of a registry that comes from the hub, an address or a folder."""

    kind: Kind
    name: str
    upstream: Upstream

    @property
    def what(self) -> str:
        """What a message calls it."""
        return f"{self.kind} {self.name}"

    @property
    def wanted(self) -> frozenset[str]:
        """The files that it names itself; of a model's folder none."""
        if isinstance(self.upstream, ModelUpstream):
            return frozenset([self.upstream.gguf] if self.upstream.gguf else [])
        source = self.upstream
        return frozenset(
            source.files.values() if isinstance(source, SourceSpec) else []
        )

    def all_in(self, there: Collection[str], place: str) -> list[str]:
        """Return the files that it names, if a place has them.

        Raises:
            SourceError: says which it has not, and what it has.
        """
        missing = sorted(self.wanted - set(there))
        if missing:
            shown = sorted(there)[:SHOWN]
            raise SourceError(
                f"{self.what}: {place} has no {', '.join(missing)}; it has"
                f" {', '.join(shown)}{' and more' if len(there) > len(shown) else ''}"
            )
        return sorted(self.wanted)


def entries_of(registries: Registries) -> list[Entry]:
    """Return every entry of every registry that has an upstream."""
    return [
        Entry(kind, name, upstream)
        for kind in get_args(Kind)
        for name, upstream in getattr(registries, f"{kind}s").items()
    ]


def named(entries: Sequence[Entry], names: Sequence[str]) -> list[Entry]:
    """Return the entries of these names, or say which names are none."""
    known = {e.name for e in entries if e.upstream.address is not None}
    problems = []
    for name in sorted(set(names) - known):
        close = get_close_matches(name, sorted(known), n=1)
        problems.append(
            f"{name!r}" + (f" (did you mean {close[0]!r}?)" if close else "")
        )
    if problems:
        raise SourceError(
            f"nothing to pin under {', '.join(problems)}: names of sources, bases,"
            " judges and encoders that come from the hub, a wheel, an address or a"
            " folder can be pinned"
        )
    return [e for e in entries if e.name in names and e.upstream.address is not None]


def unpinned(entries: Sequence[Entry], lock: Lock) -> list[Entry]:
    """Return what fetching would refuse."""
    return [
        entry
        for entry in entries
        if entry.upstream.is_remote
        and pin_of(lock.of(entry.kind), entry.name, entry.upstream, entry.wanted)
        is None
    ]

"""Names of other entries in a block: each is declared, and checked, where its key is.

`judge: Annotated[str, Named("judge")]` is a name of the registry of judges. One walk
through a block's annotations finds all of them, whatever the block is part of.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from safegrid.config.documents import KeyPath, no_such

Known = Mapping[str, Mapping[str, Any]]
"""Entries by kind and name: `known["judge"]["tiny-guard"]`."""
Data = Mapping[str, Any]


@dataclass(frozen=True)
class Named:
    """The value of a key is a name.

    Attributes:
        kind: of what.
        fault: why an entry of that name cannot stand here, or None; it is given the
            entry, its name, and the block as it is written.
    """

    kind: str
    fault: Callable[[Any, str, Data], str | None] | None = None


@dataclass(frozen=True)
class FileOf:
    """The value is the short name of a file of the source that another key names."""

    source: str = "source"


Mark = Named | FileOf


def source_of(*formats: str, holds: str) -> Named:
    """Return the mark of a source whose files must have one of these formats."""

    def fault(source: Any, name: str, block: Data) -> str | None:
        if source.format in formats:
            return None
        return (
            f"{name!r} is of format {source.format!r}, which holds no {holds}; expected"
            f" {' or '.join(map(repr, sorted(formats)))}"
        )

    return Named("source", fault)


def wrong_names(kind: Any, data: Any, known: Known) -> Iterator[tuple[KeyPath, str]]:
    """Give every name in a block that stands for nothing, or for what does not fit.

    Each with its key below the block's own, and what is wrong. `data` is the block as
    it is written, merged or not, `kind` its annotation.
    """
    for path, mark, name, block in _marked(kind, data, (), {}):
        if isinstance(mark, FileOf):
            source = block.get(mark.source)
            entry = known["source"].get(source) if isinstance(source, str) else None
            if entry is not None and name not in entry.files:
                yield path, no_such(name, f"file of source {source!r}", entry.files)
        elif name not in known[mark.kind]:
            yield path, no_such(name, mark.kind, known[mark.kind])
        elif mark.fault and (told := mark.fault(known[mark.kind][name], name, block)):
            yield path, told


def _marked(
    annotation: Any, value: Any, key: KeyPath, block: Data
) -> Iterator[tuple[KeyPath, Mark, str, Data]]:
    """Give every name below a key, with its mark and the block that it stands in."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        marks = [mark for mark in inner[1:] if isinstance(mark, Mark)]
        if isinstance(value, str):
            yield from ((key, mark, value, block) for mark in marks)
        yield from _marked(inner[0], value, key, block)
    elif origin is list and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _marked(inner[0], item, (*key, number), block)
    elif origin is dict and isinstance(value, dict):
        for name, item in value.items():
            yield from _marked(inner[1], item, (*key, name), block)
    elif origin in (Union, UnionType):
        for one in inner:
            yield from _marked(one, value, key, block)
    elif isinstance(value, dict) and _is_block(annotation):
        for name, kind, default in _names_in(annotation):
            yield from _marked(kind, value.get(name, default), (*key, name), value)


@cache
def _names_in(block: type[BaseModel]) -> list[tuple[str, Any, Any]]:
    """Return the keys of a block that are names or hold some: annotation, default."""
    found = []
    for key, field in block.model_fields.items():
        kind: Any = field.annotation
        # pydantic keeps a field's own marks apart from its annotation.
        for mark in field.metadata:
            kind = Annotated[kind, mark]
        if _holds_names(kind):
            found.append((key, kind, field.default))
    return found


def _holds_names(kind: Any) -> bool:
    if _is_block(kind):
        return bool(_names_in(kind))
    marks = getattr(kind, "__metadata__", ())
    return any(isinstance(m, Mark) for m in marks) or any(
        map(_holds_names, get_args(kind))
    )


def _is_block(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)

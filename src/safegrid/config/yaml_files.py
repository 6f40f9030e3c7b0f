"""Configuration files read as YAML 1.2 has it, with the line of every key.

Words such as `no` and `on`, dates and `1:30` are text, as in YAML 1.2's core schema;
PyYAML by itself follows YAML 1.1, where they are truths, days and seconds. A key is
text, stands once, and a number is finite. Anchors and merge keys (`<<`) may be used.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from safegrid.config.documents import Document, KeyPath, Problems, dotted
from safegrid.core.text_files import NotTextError, decode, with_lf

# The same in C, ten times as fast, where PyYAML was built with it (its wheels are).
_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LARGEST_BYTES = 2**22
# Values of a file, those of an anchor as often as it is named, and how deep they nest.
MOST_VALUES = 50_000
DEEPEST = 50
# What no name, path or prompt can hold. Escapes may write it in double quotes.
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
TAG = "tag:yaml.org,2002:"
MERGE = f"{TAG}merge"
NO_KEYS = {"null": "null", "bool": "a truth", "int": "a number", "float": "a number"}


class _Refused(Exception):  # noqa: N818
    """The file is no configuration: where in it, and why."""

    def __init__(self, line: int, kind: str, message: str) -> None:
        self.line, self.kind, self.message = line, kind, message


class _Loader(_BASE):  # type: ignore[misc]
    """A loader that knows the plain words of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    _depth = 0

    def descend_resolver(self, parent: yaml.Node | None, _: object) -> None:
        """Stop at what nests so deep that composing it would end the interpreter."""
        self._depth += 1
        if parent is not None and self._depth > DEEPEST:
            line = parent.start_mark.line + 1
            raise _Refused(line, "file", f"nests deeper than {DEEPEST}")

    def ascend_resolver(self) -> None:
        """Return from a node."""
        self._depth -= 1


for _kind, _pattern, _first in (
    ("null", r"|~|null|Null|NULL", ["", "~", "n", "N"]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"{TAG}{_kind}", re.compile(rf"^(?:{_pattern})$"), _first
    )


def _int(text: str) -> int:
    bases = {"0o": 8, "0x": 16}
    return int(text, bases.get(text[:2], 10))


def _float(text: str) -> float:
    value = float(re.sub(r"\.(?=inf|nan)", "", text.lower()))
    if not math.isfinite(value):
        raise ValueError
    return value


SCALARS: dict[str, Callable[[str], Any]] = {
    f"{TAG}null": lambda _: None,
    f"{TAG}bool": lambda text: text.lower() == "true",
    f"{TAG}int": _int,
    f"{TAG}float": _float,
    f"{TAG}str": str,
}


def read_document(path: Path, problems: Problems) -> Document:
    """Read a YAML mapping with its lines; what is wrong is noted in `problems`."""
    document = Document(path, problems)
    text = text_of(path, problems)
    if text is None:
        document.told.add(())
        return document
    try:
        node = _composed(text)
        if node is not None:
            document.data = _Values(document).mapping(node, ())
    except _Refused as refused:
        problems.add(f"{path}:{refused.line}", refused.kind, refused.message)
        document.told.add(())
    return document


def text_of(path: Path, problems: Problems) -> str | None:
    """Read a file of the configuration; None where that is no text, which is noted."""
    where = str(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            told = "is no file"
        elif size > LARGEST_BYTES:
            limit = f"a file of the configuration has at most {LARGEST_BYTES}"
            told = f"has {size} bytes; {limit}"
        else:
            return with_lf(decode(path.read_bytes()))
    except FileNotFoundError:
        told = "is not there"
    except OSError as error:
        told = f"cannot be read: {error.strerror}"
    except NotTextError as error:
        where, told = f"{path}:{error.line}", str(error)
    problems.add(where, "file", told)
    return None


def _composed(text: str) -> yaml.MappingNode | None:
    """Return the only document of a text; None where it holds none."""
    loader = _Loader(text)
    try:
        node: yaml.Node | None = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        raise _Refused(line, "syntax", f"not readable as YAML: {problem}") from None
    finally:
        loader.dispose()
    if node is None or isinstance(node, yaml.MappingNode):
        return node
    raise _Refused(1, "file", "must be a mapping of keys to values")


class _Values:
    """The values of a document's nodes; single values that cannot be are noted."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._count = 0

    def mapping(self, node: yaml.MappingNode, key: KeyPath) -> dict[str, Any]:
        """Return the keys and values of a node, merged ones below its own."""
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for name, value in node.value:
            if name.tag == MERGE:
                self._merge(merged, value, key)
            else:
                self._add(own, name, value, key)
        return merged | own

    def _merge(self, merged: dict[str, Any], value: yaml.Node, key: KeyPath) -> None:
        items = value.value if isinstance(value, yaml.SequenceNode) else [value]
        for number, item in enumerate(items):
            path = (*key, "<<", number)
            self._enter(item, path)
            if not isinstance(item, yaml.MappingNode):
                message = "what is merged must be a mapping, or a list of them"
                self._note(item, path, message)
                continue
            for name, inner in self.mapping(item, path).items():
                merged.setdefault(name, inner)

    def _add(
        self, own: dict[str, Any], name: yaml.Node, value: yaml.Node, key: KeyPath
    ) -> None:
        if not isinstance(name, yaml.ScalarNode) or name.tag not in SCALARS:
            self._note(name, (*key, "?"), "a key must be text")
            return
        path = (*key, name.value)
        line = name.start_mark.line + 1
        if path in self._document.lines:
            first = self._document.lines[path]
            self._note(name, path, f"stands twice, first on line {first}")
            return
        self._document.lines[path] = line
        kind = NO_KEYS.get(name.tag.removeprefix(TAG))
        if kind is not None:
            message = f"a key must be text, and this is {kind}: put it in quotes"
            self._note(name, path, message)
        elif CONTROL.search(name.value):
            self._note(name, path, "a key must hold no control characters")
        else:
            self._put(own, name.value, value, path)

    def _put(self, into: Any, place: Any, node: yaml.Node, path: KeyPath) -> None:
        """Put the value of a node to its place, if it has one."""
        self._enter(node, path)
        self._document.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            into[place] = self.mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            into[place] = items = [None] * len(node.value)
            for number, item in enumerate(node.value):
                self._put(items, number, item, (*path, number))
        else:
            self._put_scalar(into, place, node, path)

    def _put_scalar(
        self, into: Any, place: Any, node: yaml.Node, path: KeyPath
    ) -> None:
        read = SCALARS.get(node.tag)
        if read is None:
            tag = node.tag.removeprefix(TAG)
            self._note(node, path, f"`!{tag}` is no kind of value here: remove it")
            return
        try:
            value = read(node.value)
        except ValueError:
            told = node.value if len(node.value) < 30 else f"{node.value[:30]}..."
            self._note(node, path, f"got {told}: must be a finite number")
            return
        if isinstance(value, str) and CONTROL.search(value):
            self._note(node, path, f"got {value!r}: must hold no control characters")
            return
        into[place] = value

    def _enter(self, node: yaml.Node, path: KeyPath) -> None:
        """Count a value: an anchor that is named again and again is endless."""
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > MOST_VALUES:
            message = f"more than {MOST_VALUES} values, anchors counted at each use"
            raise _Refused(line, "file", message)
        if len(path) > DEEPEST:
            message = f"nests deeper than {DEEPEST}: an anchor stands in itself"
            raise _Refused(line, "file", message)

    def _note(self, node: yaml.Node, path: KeyPath, message: str) -> None:
        where = f"{self._document.path}:{node.start_mark.line + 1}"
        self._document.problems.add(where, dotted(path), message)
        self._document.told.add(path)

"""YAML files with the line of every key, and the problems found in them."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from safegrid.errors import ConfigError
from safegrid.text_files import NotTextError, decode

KeyPath = tuple[str | int, ...]
# The same in C, ten times as fast, where PyYAML was built with it (its wheels are).
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# A user and a password in an address, which no message may repeat.
CREDENTIALS = re.compile(r"(?<=://)[^/@'\s]+(?=@)")


@dataclass
class Document:
    """A YAML file: its data, and the line on which each key stands."""

    path: Path
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def where(self, key: KeyPath) -> str:
        """Return `file:line` of a key, or of its nearest parent in this file."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.path}:{self.lines.get(key, 1)}"


@dataclass
class Problems:
    """Everything wrong with a configuration, told in one message."""

    found: list[str] = field(default_factory=list)

    def add(self, where: str, key: str, message: str) -> None:
        """Note one problem with the place where the user can mend it."""
        self.found.append(f"{where}: {key}: {message}")

    def raise_if_any(self, subject: str) -> None:
        """Raise all problems as one message.

        Raises:
            ConfigError: there is at least one problem.
        """
        if not self.found:
            return
        unique = list(dict.fromkeys(self.found))
        count = "1 problem" if len(unique) == 1 else f"{len(unique)} problems"
        lines = "\n".join(f"  {line}" for line in unique)
        raise ConfigError(f"{subject}: {count}; nothing was started\n{lines}")

    def unknown(
        self, where: str, key: str, value: object, kind: str, allowed: Iterable[str]
    ) -> None:
        """Note a name that is not in a registry, with the likely meant one."""
        names = sorted(allowed)
        self.add(
            where,
            key,
            f"got {value!r}, no {kind} of that name;{likely(str(value), names)}"
            f" known: {', '.join(names) or 'none'}",
        )


def likely(value: str, names: Sequence[str]) -> str:
    """Return ` did you mean ...?;` where a known name is close, else nothing."""
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.6)
    return f" did you mean {close[0]!r}?;" if close else ""


def read_document(path: Path, problems: Problems) -> Document:
    """Read a YAML mapping with its lines; what is wrong is noted in `problems`."""
    document = Document(path)
    try:
        loader = LOADER(decode(path.read_bytes()))
        node = loader.get_single_node()
    except FileNotFoundError:
        problems.add(str(path), "file", "is not there")
        return document
    except NotTextError as error:
        problems.add(f"{path}:{error.line}", "file", str(error))
        return document
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", None) or str(error)
        problems.add(f"{path}:{line}", "syntax", f"not readable as YAML: {problem}")
        return document
    if node is None:
        return document
    if not isinstance(node, yaml.MappingNode):
        problems.add(f"{path}:1", "file", "must be a mapping of keys to values")
        return document
    _walk(node, (), document, problems)
    document.data = loader.construct_document(node)
    return document


def validate(
    model: type[BaseModel],
    data: object,
    document: Document,
    key: KeyPath,
    problems: Problems,
) -> Any:
    """Validate one block; on failure note every problem and return None."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for item in error.errors():
            path = (*key, *item["loc"])
            problems.add(
                document.where(path),
                ".".join(str(part) for part in path),
                _describe(item, model),
            )
        return None


def _describe(item: Any, model: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        names = _fields(model, item["loc"][:-1])
        hint = likely(str(item["loc"][-1]), names)
        return f"unknown key;{hint} allowed: {', '.join(names)}"
    if item["type"] == "missing":
        return "missing; it has no default"
    message = item["msg"].removeprefix("Value error, ")
    return f"got {CREDENTIALS.sub('***', repr(item['input']))}: {message}"


def _fields(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """Return the keys allowed at a place inside a model."""
    for part in loc:
        info = model.model_fields.get(str(part))
        for candidate in _models_in(info.annotation if info else None):
            model = candidate
    return sorted(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    found: list[type[BaseModel]] = []
    for argument in getattr(annotation, "__args__", ()):
        found.extend(_models_in(argument))
    return found


def _walk(
    node: yaml.Node, key: KeyPath, document: Document, problems: Problems
) -> None:
    document.lines[key] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for name_node, value in node.value:
            path = (*key, name_node.value)
            if path in document.lines:
                where = f"{document.path}:{name_node.start_mark.line + 1}"
                first = document.lines[path]
                dotted = ".".join(map(str, path))
                problems.add(where, dotted, f"stands twice, first on line {first}")
            _walk(value, path, document, problems)
            document.lines[path] = name_node.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(value, (*key, index), document, problems)

"""YAML documents with the line of every key, and the problems found in them."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from safegrid.core.errors import ConfigError

KeyPath = tuple[str | int, ...]
# A user and a password in an address, which no message may repeat.
CREDENTIALS = re.compile(r"(?<=://)[^/@'\s]+(?=@)")
# Signs of a value that a message repeats.
SHOWN = 100
# What pydantic says of a value of another kind; its other messages are kept.
KINDS = {
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping of keys to values",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "string_type": "must be text; put it in quotes if it is meant so",
}
# What stands for a block or a list of another kind, once that was told.
EMPTY: dict[str, type] = {"dict_type": dict, "model_type": dict, "list_type": list}
# What only the whole block can tell: others may give what it lacks.
OF_THE_WHOLE = ("missing", "value_error")

# Old names of keys: where the new one is allowed and the old one is not.
RENAMED = {
    "a_minute": "requests_per_minute",
    "alpha": "lora_alpha",
    "at_once": "max_concurrency",
    "billions": "n_params_b",
    "called": "aliases",
    "chunk": "batch_size",
    "count_opener": "count_affirmative_prefix",
    "dropout": "lora_dropout",
    "epochs": "num_train_epochs",
    "least_mass": "min_label_mass",
    "log_steps": "logging_steps",
    "max_tokens": "max_batch_tokens",
    "micro_batch": "per_device_train_batch_size",
    "most": "max_engines",
    "openers": "affirmative_prefixes",
    "rank": "r",
    "schedule": "lr_scheduler_type",
    "second": "text_pair",
    "start": "init_from",
    "steps": "max_steps",
    "targets": "target_modules",
    "tries": "max_attempts",
    "warmup": "warmup_ratio",
    "wording": "prompt_template",
}


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
        self.add(where, key, no_such(value, kind, allowed))


def no_such(value: object, kind: str, allowed: Iterable[str]) -> str:
    """Say that a name is not in a registry, with the likely meant one."""
    names = sorted(allowed)
    return (
        f"got {_shown(value)}, no {kind} of that name;{likely(str(value), names)}"
        f" known: {', '.join(names) or 'none'}"
    )


@dataclass
class Document:
    """A YAML file: its data, and the line on which each key stands.

    Attributes:
        problems: where its own are noted, with those of other files.
        told: the keys whose values were refused and taken out of the data.
    """

    path: Path
    problems: Problems
    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    told: set[KeyPath] = field(default_factory=set)

    def where(self, key: KeyPath) -> str:
        """Return `file:line` of a key, or of its nearest parent in this file."""
        if not self.lines:
            return str(self.path)
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.path}:{self.lines.get(key, 1)}"

    def note(self, key: KeyPath, message: str) -> None:
        """Note a problem with what stands under a key."""
        self.problems.add(self.where(key), dotted(key), message)

    def unknown(
        self, key: KeyPath, value: object, kind: str, allowed: Iterable[str]
    ) -> None:
        """Note a name that is none of the allowed ones."""
        self.problems.unknown(self.where(key), dotted(key), value, kind, allowed)

    def section(self, key: str) -> dict[str, Any]:
        """Return a section, empty where there is none."""
        section: dict[str, Any] = self.data.get(key, {})
        return section

    def at(self, key: KeyPath) -> Any:
        """Return the value under a key, or None where there is none."""
        value: Any = self.data
        for part in key:
            if not _holds(value, part):
                return None
            value = value[part]
        return value

    def validate(self, model: type[BaseModel], data: object, key: KeyPath = ()) -> Any:
        """Validate one block; on failure note every problem and return None."""
        try:
            return model.model_validate(data)
        except ValidationError as error:
            for item in error.errors():
                self._tell(item, (*key, *_place(data, item)), model)
            return None

    def check_kinds(self, model: type[BaseModel], key: KeyPath = ()) -> None:
        """Note what of a block cannot stand in it, and take it out.

        So later checks meet values of the right kinds only. What the block lacks is no
        problem here, and no more if there is none: it may be merged over another.
        """
        if key and not _holds(self.at(key[:-1]), key[-1]):
            return
        data = self.at(key)
        try:
            model.model_validate(data)
        except ValidationError as error:
            found = [i for i in error.errors() if i["type"] not in OF_THE_WHOLE]
            places = {(*key, *_place(data, item)): item for item in found}
            for item in found:
                self._tell(item, (*key, *_place(data, item)), model)
            # From the end, so that the places of a list's items stay what they are.
            for path, item in reversed(places.items()):
                self._refuse(path, EMPTY.get(item["type"]))

    def _tell(self, item: Any, path: KeyPath, model: type[BaseModel]) -> None:
        """Note an error, unless its value or one above it was refused before."""
        if not any(path[:length] in self.told for length in range(len(path) + 1)):
            self.problems.add(
                self.where(path), dotted(path) or "file", _describe(item, model)
            )

    def _refuse(self, key: KeyPath, empty: type | None) -> None:
        """Take a value out, or put an empty one of the right kind in its place."""
        parent = self.at(key[:-1])
        # Of a list the other items move, and may be too few without this one.
        self.told.add(key[:-1] if isinstance(parent, list) else key)
        if not _holds(parent, key[-1]):
            return
        if empty is not None:
            parent[key[-1]] = empty()
        else:
            del parent[key[-1]]


def dotted(key: KeyPath) -> str:
    """Return a key as messages name it."""
    return ".".join(map(str, key))


def likely(value: str, names: Sequence[str]) -> str:
    """Return ` did you mean ...?;` where a known name is close, else nothing."""
    close = difflib.get_close_matches(value, names, n=1, cutoff=0.6)
    return f" did you mean {close[0]!r}?;" if close else ""


def merge(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mappings, later over earlier, into nested ones too."""
    merged: dict[str, Any] = {}
    for block in blocks:
        for key, value in block.items():
            old = merged.get(key)
            if isinstance(old, dict) and isinstance(value, dict):
                value = merge(old, value)
            merged[key] = value
    return merged


def _place(data: Any, item: Any) -> KeyPath:
    """Return where an error is, without what pydantic adds: `[key]`, `list[str]`."""
    loc: KeyPath = tuple(item["loc"])
    if item["type"] == "missing":
        return loc
    for length, part in enumerate(loc):
        if not _holds(data, part):
            return loc[:length]
        data = data[part]
    return loc


def _holds(value: object, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _describe(item: Any, model: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        names = _fields(model, item["loc"][:-1])
        old = str(item["loc"][-1])
        if (new := RENAMED.get(old)) in names:
            return f"renamed to `{new}`"
        hint = likely(old, names)
        return f"unknown key;{hint} allowed: {', '.join(names)}"
    if item["type"] == "missing":
        return "missing; it has no default"
    kind = KINDS.get(item["type"], item["msg"].removeprefix("Value error, "))
    return f"got {_shown(item['input'])}: {kind}"


def _shown(value: object) -> str:
    """Return a value as messages repeat it: without passwords, and not all of it."""
    text = CREDENTIALS.sub("***", repr(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


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

"""Options of a subcommand, read off the signature of the function that it calls.

A function's arguments are the options, their annotations say how a text is read, and
its docstring what they mean. What is no path, text or number is given as JSON. argparse
and no newer library: click takes a list as a repeated option, and Snakemake writes one
as words behind one option.
"""

import argparse
import functools
import inspect
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from safegrid.core.docstrings import entries
from safegrid.core.errors import ConfigError

JSON = "JSON"
# What a text must be that is none of a plain kind, by pydantic's name of the error.
MUST_BE = {
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a finite number",
    "finite_number": "must be a finite number",
}


@dataclass(frozen=True)
class Option:
    """An option of a subcommand, `needed` where its argument has no default.

    It takes `many` values, or none of them with `or_none`; `kind` is the annotation of
    its argument, without null.
    """

    name: str
    kind: Any
    many: bool
    or_none: bool
    needed: bool
    help: str

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return "--" + self.name.replace("_", "-")

    def add_to(self, parser: argparse.ArgumentParser) -> None:
        """Let a parser take this option; its values stay texts."""
        more: dict[str, Any] = {"dest": self.name, "help": self.help.replace("%", "%%")}
        if self.kind is bool:
            parser.add_argument(self.flag, action="store_true", **more)
            return
        parser.add_argument(
            self.flag,
            nargs="*" if self.many else "?" if self.or_none else None,
            required=self.needed,
            default=argparse.SUPPRESS,
            metavar=_name(self.kind).upper(),
            **more,
        )

    def value(self, given: Any) -> Any:
        """Return the argument's value of a text, texts, a flag's truth or None."""
        if given is None or self.kind is bool:
            return given
        try:
            found = [_read(t, self.kind) for t in (given if self.many else [given])]
            return found if self.many else found[0]
        except ConfigError as error:
            raise ConfigError(f"{self.flag}: {error}") from error


def options_of(function: Callable[..., Any]) -> list[Option]:
    """Return the options of a function's subcommand."""
    hints = get_type_hints(function, include_extras=True)
    said = entries(function.__doc__ or "", "Args")
    return [
        _option(name, hints[name], parameter.default is parameter.empty, said)
        for name, parameter in inspect.signature(function).parameters.items()
    ]


def _option(name: str, annotation: Any, needed: bool, said: dict[str, str]) -> Option:
    kinds, or_none = [annotation], False
    if get_origin(annotation) in (Union, UnionType):
        kinds = [one for one in get_args(annotation) if one is not NoneType]
        or_none = len(kinds) < len(get_args(annotation))
    kind: Any = functools.reduce(operator.or_, kinds)
    many = False
    if get_origin(kind) in (list, Sequence, Collection):
        one = get_args(kind)[0]
        # Many values, or else one JSON text.
        many = _is_plain(one) or (isinstance(one, type) and issubclass(one, BaseModel))
        kind = one if many else kind
    return Option(name, kind, many, or_none, needed, said.get(name, ""))


def _is_plain(kind: Any) -> bool:
    bare = _bare(kind)
    return bare in (Path, str, int, float) or get_origin(bare) is Literal


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _read(text: str, kind: Any) -> Any:
    if kind is Path:
        return Path(text)
    try:
        if not _is_plain(kind):
            return TypeAdapter(kind).validate_json(text)
        adapter = TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))
        return adapter.validate_strings(text)
    except ValidationError as error:
        if _is_plain(kind):
            first = error.errors()[0]
            own = first["msg"].removeprefix("Value error, ")
            told = f"got {text!r}: {MUST_BE.get(first['type'], own)}"
        else:
            name = _name(kind)
            told = f"not {name if name == JSON else f'a {name} block'}: {error}"
        raise ConfigError(told) from error


def _name(kind: Any) -> str:
    bare = _bare(kind)
    return JSON if get_origin(bare) else getattr(bare, "__name__", JSON)

"""The command line: one subcommand per stage, each one function of a room.

The tables of `safegrid.commands` are the whole of it. An option's name is the name of
the function's argument, its kind says how the text is read; functions are imported only
when they are called, so that clients of engines stay light.
"""

import argparse
import importlib
import logging
import math
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.commands import COMMANDS, Command, Option
from safegrid.core import logs
from safegrid.core.errors import ConfigError, SafegridError
from safegrid.runtime.faults import refused
from safegrid.runtime.processes import close_input
from safegrid.runtime.runs import end_with_owner, place

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kind:
    """How an option's text becomes a value."""

    read: Callable[[str], Any]
    many: bool = False


def _block(name: str) -> Callable[[str], Any]:
    """Return a reader of one block of configuration given as JSON."""

    def read(text: str) -> Any:
        from pydantic import TypeAdapter, ValidationError

        block = getattr(importlib.import_module("safegrid.config"), name)
        try:
            return TypeAdapter(block).validate_json(text)
        except ValidationError as error:
            raise ConfigError(f"not a {name} block: {error}") from error

    return read


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"got {text!r}: must be a whole number") from None


def _float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"got {text!r}: must be a finite number")
    return value


def _study(text: str) -> str:
    from safegrid.config.block import NAMING, is_name

    if not is_name(text):
        raise ConfigError(f"got {text!r}: {NAMING}")
    return text


def _json(text: str) -> Any:
    import json

    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"not JSON: {error}") from error


OR_NONE = "-or-none"
MANY = "[]"
KINDS: dict[str, _Kind] = {
    "path": _Kind(Path),
    "paths": _Kind(Path, many=True),
    "text": _Kind(str),
    "texts": _Kind(str, many=True),
    "study": _Kind(_study),
    "int": _Kind(_int),
    "float": _Kind(_float),
    "json": _Kind(_json),
}


def _kind(option: Option) -> _Kind:
    name = option.kind.removesuffix(OR_NONE)
    return KINDS.get(name) or _Kind(
        _block(name.removesuffix(MANY)), many=name.endswith(MANY)
    )


def _may_be_none(option: Option) -> bool:
    return option.kind.endswith(OR_NONE)


def _flag(option: Option) -> str:
    return "--" + option.name.replace("_", "-")


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    flag = _flag(option)
    if option.kind == "flag":
        parser.add_argument(flag, action="store_true", dest=option.name)
        return
    nargs = "*" if _kind(option).many else "?" if _may_be_none(option) else None
    parser.add_argument(
        flag,
        dest=option.name,
        nargs=nargs,
        required=option.required,
        default=argparse.SUPPRESS,
        metavar=option.kind.upper(),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="safegrid",
        description="Reproducible method x benchmark grids for LLM safety alignment.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="STAGE")
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help)
        for option in command.options:
            _add_option(sub, option)
    return parser


def _values(command: Command, given: dict[str, Any]) -> dict[str, Any]:
    values = {}
    for option in command.options:
        if option.name not in given:
            continue
        raw = given[option.name]
        if option.kind == "flag" or raw is None:
            values[option.name] = raw
            continue
        kind = _kind(option)
        try:
            values[option.name] = (
                [kind.read(v) for v in raw] if kind.many else kind.read(raw)
            )
        except ConfigError as error:
            raise ConfigError(f"{_flag(option)}: {error}") from error
    return values


def run(arguments: Sequence[str]) -> int:
    """Run one subcommand and return its exit status."""
    given = vars(_parser().parse_args(arguments))
    name = given.pop("command")
    command = COMMANDS[name]
    module, function = command.call.split(":")
    try:
        if command.job:
            if where := place():
                logger.info(where)
            end_with_owner()
        values = _values(command, given)
        result = getattr(importlib.import_module(module), function)(**values)
    except SafegridError as error:
        return _fail(str(error))
    except Exception as error:
        sentence = refused(error)
        if sentence is None:
            raise
        return _fail(sentence)
    return result if isinstance(result, int) else 0


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


def main() -> None:
    """Run the command line and exit; at a Ctrl-C without a traceback."""
    close_input()
    logs.configure()
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 128 + signal.SIGINT
    sys.exit(status)

"""The command line: one subcommand a stage, each one function.

`safegrid.commands` names the functions; options are their arguments. A function is
imported only when it is called, so that clients of engines stay light.
"""

import argparse
import importlib
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from safegrid.commands import COMMANDS
from safegrid.core import logs
from safegrid.core.errors import SafegridError
from safegrid.runtime.faults import refused
from safegrid.runtime.job_server import fork_jobs, imported
from safegrid.runtime.processes import close_input
from safegrid.runtime.runs import end_with_owner, place

logger = logging.getLogger(__name__)

OPTIONS = "safegrid.commands.options"


def run(arguments: Sequence[str]) -> int:
    """Run one subcommand and return its exit status."""
    name = next((word for word in arguments if word in COMMANDS), "")
    parser, commands = _parser([name] if name else list(COMMANDS))
    if not name:
        parser.parse_args(arguments)
    try:
        if COMMANDS[name].job:
            if where := place():
                logger.info(where)
            end_with_owner()
        result = _call(name, parser, commands[name], arguments)
        return result if isinstance(result, int) else 0
    except SafegridError as error:
        message: str | None = str(error)
    except Exception as error:
        if (message := refused(error)) is None:
            raise
    print(f"error: {message}", file=sys.stderr)
    return 1


def _parser(
    names: Sequence[str],
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Return a parser of subcommands, and that of each one, yet without options."""
    parser = argparse.ArgumentParser(
        prog="safegrid",
        description="Reproducible method x benchmark grids for LLM safety alignment.",
    )
    found = parser.add_subparsers(dest="command", required=True, metavar="STAGE")
    return parser, {
        name: found.add_parser(
            name, help=COMMANDS[name].help, description=COMMANDS[name].help
        )
        for name in names
    }


def _call(
    name: str,
    parser: argparse.ArgumentParser,
    own: argparse.ArgumentParser,
    arguments: Sequence[str],
) -> Any:
    """Import a subcommand's function, and call it with its options."""
    from safegrid.commands.options import options_of

    module, attribute = COMMANDS[name].call.split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    options = options_of(function)
    for option in options:
        option.add_to(own)
    given = vars(parser.parse_args(arguments))
    values = {o.name: o.value(given[o.name]) for o in options if o.name in given}
    return function(**values)


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


def serve_jobs() -> None:
    """Fork the jobs of a run; each is `main` in a process of its own."""
    fork_jobs(_imported, main)


def _imported(arguments: Sequence[str]) -> bool:
    """Import what a subcommand needs; False of one that is no job."""
    command = COMMANDS.get(arguments[0]) if arguments else None
    if command is None or not command.job:
        return False
    module, _ = command.call.split(":")
    return imported(*command.imports, OPTIONS, module)

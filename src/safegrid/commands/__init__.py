"""The subcommands: which function each one calls, and with which options."""

from safegrid.commands.command import Command, Option
from safegrid.commands.models import MODELS
from safegrid.commands.results import RESULTS
from safegrid.commands.rows import ROWS
from safegrid.commands.runs import RUNS

__all__ = ["COMMANDS", "Command", "Option"]

COMMANDS: dict[str, Command] = ROWS | MODELS | RESULTS | RUNS

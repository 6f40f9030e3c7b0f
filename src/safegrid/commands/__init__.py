"""The subcommands: which function each one calls, as `commands.yaml` says."""

from pathlib import Path
from typing import NamedTuple

import yaml


class Command(NamedTuple):
    """A subcommand, which calls `module:function` with its options as arguments.

    Users start those that are no `job`, or they watch over their end themselves; a job
    of a run ends with its run. `imports` take its function long.
    """

    call: str
    help: str
    job: bool = True
    imports: tuple[str, ...] = ()


_TABLE = Path(__file__).with_name("commands.yaml").read_text("utf-8")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
COMMANDS = {
    name: Command(**entry) for name, entry in yaml.load(_TABLE, _LOADER).items()
}

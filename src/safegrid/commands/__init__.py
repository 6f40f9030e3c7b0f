"""The subcommands: which function each one calls, as `commands.yaml` says."""

from pathlib import Path
from typing import NamedTuple

import yaml


class Command(NamedTuple):
    """A subcommand; its options are the arguments of the function that it calls.

    Attributes:
        call: `module:function`.
        help: a sentence.
        job: false where users start it, or it watches over its end itself; a job of a
            run ends with its run.
    """

    call: str
    help: str
    job: bool = True


_TABLE = Path(__file__).with_name("commands.yaml").read_text("utf-8")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
COMMANDS = {
    name: Command(**entry) for name, entry in yaml.load(_TABLE, _LOADER).items()
}

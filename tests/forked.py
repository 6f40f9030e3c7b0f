"""Commands of safegrid, forked from a process that has imported the trainers.

Each is a process with its own exit status, signals and output, as a rule's job is. What
it saves is the import of torch and trl, which takes longer than a test's training.
"""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from subprocess import CompletedProcess

from safegrid import cli

MODULES = ["safegrid.train.run", *(f"trl.trainer.{n}_trainer" for n in ("dpo", "kto"))]

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(MODULES)


def start(arguments, environment, shown):
    """Start `safegrid ARGUMENTS`; what it prints goes to the file `shown`."""
    process = _context.Process(
        target=_become, args=(list(arguments), dict(environment), str(shown))
    )
    process.start()
    return process


def run(arguments, environment):
    """Run `safegrid ARGUMENTS` to its end; what it printed is all in `stdout`."""
    with tempfile.TemporaryDirectory() as folder:
        shown = Path(folder) / "shown.txt"
        process = start(arguments, environment, shown)
        process.join()
        assert process.exitcode is not None
        return CompletedProcess(arguments, process.exitcode, shown.read_text())


def _become(arguments, environment, shown):
    os.environ.clear()
    os.environ.update(environment)
    stream = os.open(shown, os.O_WRONLY | os.O_CREAT)
    for number in (sys.stdout.fileno(), sys.stderr.fileno()):
        os.dup2(stream, number)
    sys.argv = ["safegrid", *arguments]
    cli.main()

"""Dry runs of Snakemake, forked from a process that has imported it.

Each is a process with its own environment, folder and output. What it saves is the
import of Snakemake, which takes as long as a plan of the small study.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

SERVER = """
import json, os, sys
from snakemake.cli import main

for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ.clear()
        os.environ.update(asked["environment"])
        os.chdir(asked["folder"])
        shown = os.open(asked["shown"], os.O_WRONLY | os.O_CREAT)
        os.dup2(shown, 1)
        os.dup2(shown, 2)
        sys.argv = asked["command"]
        main()
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@cache
def _server():
    """The process, which ends with this one: nobody writes to it any more."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", SERVER], env=environment, **pipes)


def plan(command, folder, environment):
    """Run `snakemake --dry-run ...` to its good end and return what it printed."""
    assert "--dry-run" in command
    server = _server()
    with TemporaryDirectory() as name:
        shown = Path(name) / "shown.txt"
        asked = {"command": command, "folder": str(folder), "shown": str(shown)}
        print(
            json.dumps({**asked, "environment": dict(environment)}),
            file=server.stdin,
            flush=True,
        )
        status, text = server.stdout.readline().strip(), shown.read_text()
    assert status == "0", text
    return text

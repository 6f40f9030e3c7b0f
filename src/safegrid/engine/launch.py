"""Launch of engines: what clients and the manager of a run's engines say to each other.

The manager listens on a socket in a folder of the run, private to the user and on a
local disk; beside it lie its own log and those of its engines.
"""

import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from safegrid.config import EngineSpec
from safegrid.core.errors import EngineError
from safegrid.runtime.processes import Process
from safegrid.runtime.runs import RUN, SLURM_JOB

RUN_DIR = "SAFEGRID_RUN_DIR"
START = "SAFEGRID_ENGINE_START"
MANAGER_LOG = "manager.log"
# What a client says that wants no lease, and of an engine that failed it.
STOP, LIST, FAILED = "stop", "list", "failed"
LOG_LINES = 20
# An exception with what it says, alone on its line or behind what a logger puts before
# it; and what a logger calls an error.
EXCEPTION = re.compile(r"^(?:.*\bERROR\b.*\] +)?(?:\w+\.)*\w*(?:Error|Exception): \S")
ERROR = re.compile(r"\bERROR\b(?!.*Traceback)")


@dataclass(frozen=True)
class LaunchSpec:
    """What an engine's process is started with.

    Attributes:
        model: the name it serves under.
        key: of the run, which the manager makes.
        owner: the process with which the engine ends, if there is one to see.
        search: folder of the code that searches in beams, if it is to.
        environment: the client's, if the engine is spawned; None if it is forked.
    """

    engine: EngineSpec
    model: str
    stack: list[str]
    head: str
    threads: int
    key: str = ""
    owner: Process | None = None
    search: str | None = None
    environment: dict[str, str] | None = None


class Running(NamedTuple):
    """An engine that runs; `url` is None before it answers."""

    name: str
    process: Process
    url: str | None
    key: str
    log: Path


def forks() -> bool:
    """Whether engines of ours are forked here; the environment's choice goes first.

    `spawn` runs a new Python, which pays the import of torch and transformers again
    (six CPU seconds and more). Forking pays where one run starts many engines on CPUs.
    It is not done where a CUDA device can be seen, because a library that looks for it
    in the process that is forked leaves the children without it.

    Raises:
        EngineError: the environment asks for something that does not exist.
    """
    chosen, linux = os.environ.get(START), sys.platform == "linux"
    if chosen is None:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
        sees_cuda = Path("/dev/nvidiactl").exists() and not hidden
        many = RUN in os.environ and SLURM_JOB not in os.environ
        return many and linux and not sees_cuda
    if chosen == "spawn" or (chosen == "fork" and linux):
        return chosen == "fork"
    raise EngineError(
        f"{START}={chosen}: expected spawn, or fork on Linux; or unset it"
    )


def run_folder() -> Path:
    """Return where this job's or run's engines are managed.

    A SLURM job has its own folder, because its engines end with it; else the run has
    one; a command by hand has its own.
    """
    default = Path(tempfile.gettempdir()) / f"safegrid-{os.getuid()}"
    root = Path(os.environ.get(RUN_DIR, default)).absolute()
    if SLURM_JOB in os.environ:
        name = f"slurm-{os.environ[SLURM_JOB]}"
    elif RUN in os.environ:
        name = f"run-{os.environ[RUN]}"
    else:
        name = f"hand-{os.getpid()}"
    return root / f"{name}@{socket.gethostname()}"


def is_by_hand() -> bool:
    """Whether this command belongs to no run, so that its engines end with it."""
    return RUN not in os.environ and SLURM_JOB not in os.environ


@contextmanager
def socket_name(folder: Path) -> Iterator[str]:
    """Give a name of the manager's socket that fits into the 107 bytes it may have."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        place = f"/proc/self/fd/{handle}" if sys.platform == "linux" else folder
        yield f"{place}/socket"
    finally:
        os.close(handle)


def log_tail(log: Path) -> str:
    """Return the last lines of an engine's log, for an error message.

    Before them stand the first error and the first exception, which may be the cause of
    all others; behind them where the log is kept, if it outlives the engine.
    """
    if not log.exists():
        return "(it wrote no log)"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    kept = [] if (log.parent / MANAGER_LOG).exists() else [f"(all of it: {log})"]
    if not lines:
        return "\n".join(["(its log is empty)", *kept])
    before, tail = lines[:-LOG_LINES], lines[-LOG_LINES:]
    found = [
        next((line for line in before if pattern.search(line)), None)
        for pattern in (ERROR, EXCEPTION)
    ]
    first = [f"(first error) {line}" for line in dict.fromkeys(found) if line]
    return "\n".join([*first, *(["[...]"] if first else []), *tail, *kept])

"""Start of an engine's process, and the wait until it answers.

`spawn` runs a new Python, which pays the import of torch and transformers again
(six CPU seconds and more). `fork` asks the run's fork server for a child that has them.
"""

import itertools
import logging
import os
import sys
import time
from pathlib import Path
from typing import Literal

from safegrid.core.errors import EngineError
from safegrid.engine.fork_server import fork
from safegrid.engine.processes import launch
from safegrid.engine.registry import EngineEntry, LaunchSpec, Registry
from safegrid.runtime.processes import Process
from safegrid.runtime.runs import RUN, SLURM_JOB

logger = logging.getLogger(__name__)

START = "SAFEGRID_ENGINE_START"
# What vLLM writes stays after the run: it dies of many things, most of them told early.
LOGS = Path("logs/engines")
POLL = 0.05


def start_mode() -> Literal["fork", "spawn"]:
    """Return how engines start here; the environment's choice goes first.

    Forking pays where one run starts many engines on CPUs. It is not done where a
    CUDA device can be seen, because a library that looks for it in the fork server
    leaves the children without it.

    Raises:
        EngineError: the environment asks for something that does not exist.
    """
    chosen = os.environ.get(START)
    if chosen == "fork" and sys.platform == "linux":
        return "fork"
    if chosen == "spawn":
        return "spawn"
    if chosen is not None:
        raise EngineError(
            f"{START}={chosen}: expected spawn, or fork on Linux; or unset it"
        )
    many = RUN in os.environ and SLURM_JOB not in os.environ
    return "fork" if many and sys.platform == "linux" and not _sees_cuda() else "spawn"


def _sees_cuda() -> bool:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") == ""
    return Path("/dev/nvidiactl").exists() and not hidden


def start(registry: Registry, entry: EngineEntry, launch_spec: LaunchSpec) -> None:
    """Start an engine's process and record it; called under the registry's lock."""
    mode = start_mode() if launch_spec.kind == "safegrid" else "spawn"
    entry.clear()
    entry.log.unlink(missing_ok=True)
    if launch_spec.kind == "vllm":
        entry.log.symlink_to(_new_log(launch_spec.model))
    entry.write_launch_spec(launch_spec)
    if mode == "fork":
        process = fork(registry.fork_server, entry, launch_spec)
    else:
        process = launch(["engine", "--launch-spec", str(entry.launch_spec)], entry.log)
    entry.write_process(process)
    logger.info("engine %s: process %d (%s)", launch_spec.model, process.pid, mode)


def _new_log(model: str) -> Path:
    """Make the log of one more start of an engine."""
    LOGS.mkdir(parents=True, exist_ok=True)
    names = (LOGS / f"{model}.{number}.log" for number in itertools.count(1))
    path = next(path for path in names if not path.exists())
    path.touch()
    return path.absolute()


def wait_for_url(entry: EngineEntry, process: Process, patience: float) -> str:
    """Wait until an engine says where it answers.

    Raises:
        EngineError: it ended before, or was not ready in time; with its log's end.
    """
    deadline = time.monotonic() + patience
    while (url := entry.url()) is None:
        if not process.is_alive():
            raise EngineError(
                f"engine {entry.base.name} ended while it started. Its log ends:\n"
                + entry.log_tail()
            )
        if time.monotonic() > deadline:
            process.end()
            raise EngineError(
                f"engine {entry.base.name} was not ready after {patience:g} s; raise"
                f" `engine.start_seconds`. Its log ends:\n{entry.log_tail()}"
            )
        time.sleep(POLL)
    return url

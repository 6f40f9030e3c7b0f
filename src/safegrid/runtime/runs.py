"""Identity of a run, as its jobs see it, and the file that names its owner.

Snakemake's lock says that a folder is locked, not by whom. `onstart` therefore writes
the owner's process, and the run's id goes into the environment of every job, where
jobs and engines read it: they end when their owner is gone.
"""

import logging
import os
import shutil
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from safegrid.core.errors import DataError, SafegridError
from safegrid.core.files import read_record, write_json
from safegrid.runtime.processes import Process

logger = logging.getLogger(__name__)

HOME = "SAFEGRID_HOME"
RUN = "SAFEGRID_RUN"
OWNER_PID = "SAFEGRID_OWNER_PID"
OWNER_HOST = "SAFEGRID_OWNER_HOST"
SLURM_JOB = "SLURM_JOB_ID"
OWNER_FILE = Path(".snakemake/safegrid-owner.json")
# Rules call them by these names.
PROGRAMS = ("python", "snakemake")
SNAKEMAKE = (sys.executable, "-m", "snakemake")
# What a job's log says of the processes that Snakemake does not see below its own.
PEAK = "%s held %d MB at most"
POLL_SECONDS = 2.0
EXIT_ORPHANED = 143


@dataclass(frozen=True)
class Owner(Process):
    """The process behind a run."""

    run: str


def announce(basedir: Path) -> dict[str, str]:
    """Return the environment that every job of a run inherits.

    A job that parses the workflow again (on a cluster) keeps its run's identity.
    """
    inherited = os.environ.get("PYTHONPATH", "")
    source = str(basedir / "src")
    paths = [source, *(p for p in inherited.split(os.pathsep) if p and p != source)]
    new = identity(uuid.uuid4().hex)
    return {
        "PATH": path_to_ours(os.environ["PATH"]),
        "PYTHONPATH": os.pathsep.join(paths),
        HOME: str(basedir),
        **{name: os.environ.get(name) or value for name, value in new.items()},
        # Jobs never ask a hub: what a study needs was fetched before.
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def identity(run: str) -> dict[str, str]:
    """Return the environment of what this process starts as the owner of a run."""
    return {RUN: run, OWNER_PID: str(os.getpid()), OWNER_HOST: socket.gethostname()}


def path_to_ours(path: str) -> str:
    """Return a search path that finds the programs beside this Python.

    Nobody needs to have activated the environment that this Python belongs to. Where
    its programs are found already, wrappers that a user put before them stay there.
    """
    ours = Path(sys.executable).parent
    found = (shutil.which(name, path=path) for name in PROGRAMS)
    if all(place is not None and Path(place).parent == ours for place in found):
        return path
    return os.pathsep.join([str(ours), path])


def record_owner() -> None:
    """Write who runs, for whoever finds the folder locked after a crash."""
    write_owner(os.environ[RUN], int(os.environ[OWNER_PID]))


def write_owner(run: str, pid: int, path: Path = OWNER_FILE) -> None:
    """Write that a process of this machine owns a run."""
    write_json(path, {**asdict(Process.of(pid)), "run": run})


def read_owner(path: Path = OWNER_FILE) -> Owner | None:
    """Return who ran last in this folder, or None where no run was recorded."""
    if not path.exists():
        return None
    try:
        return read_record(path, Owner)
    except DataError as error:
        raise SafegridError(
            f"{error}; it says whose run is at work here. If you know that none is:"
            f" `rm -r {path}`, then start again"
        ) from error


def owner() -> Process | None:
    """Return the process with which whatever this job starts must end.

    In a job that the run gave to SLURM that is the job's own first process, since a
    job may outlive its run. None where none can be seen: by hand, or on another machine
    than the run's owner.

    Raises:
        SafegridError: the owner has ended, so nothing must be started for it.
    """
    text = os.environ.get(OWNER_PID)
    here = os.environ.get(OWNER_HOST, socket.gethostname()) == socket.gethostname()
    # A run that was itself started inside of a job is seen above its own jobs.
    above = {str(process.pid) for process in psutil.Process().parents()}
    if SLURM_JOB in os.environ and not (here and text in above):
        return _first_of_job(os.environ[SLURM_JOB])
    if text is None or not here:
        return None
    found = Process.of(int(text)) if text.isdigit() else None
    if found is None or not found.is_alive():
        raise SafegridError(
            f"{OWNER_PID}={text} names no running process: the run that this job"
            " belongs to is gone; start the run again"
        )
    return found


def _first_of_job(job: str) -> Process:
    """Return the oldest ancestor that this process shares a SLURM job with."""
    first = psutil.Process()
    for ancestor in first.parents():
        try:
            if ancestor.environ().get(SLURM_JOB) != job:
                break
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            break
        first = ancestor
    return Process.of(first.pid)


def place() -> str | None:
    """Say where a SLURM job runs and on which GPUs; None outside of one."""
    if SLURM_JOB not in os.environ:
        return None
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "none given")
    node = os.environ.get("SLURMD_NODENAME", socket.gethostname())
    return f"SLURM job {os.environ[SLURM_JOB]} on {node}, GPUs: {gpus}"


def end_with_owner(
    end: Callable[[], None] = lambda: os._exit(EXIT_ORPHANED),
) -> threading.Thread | None:
    """End this process when the run that it belongs to is gone.

    A killed workflow cannot end its jobs, and an orphan must not write into the run
    that comes after. By default there is no clean-up: outputs are written whole or not
    at all, and a checkpoint that is being written is recognised as cut off.

    Returns the watching thread, or None where no owner can be seen.

    Raises:
        SafegridError: the owner is gone already.
    """
    with_it = owner()
    if with_it is None:
        return None
    thread = threading.Thread(target=_watch, args=(with_it, end), daemon=True)
    thread.start()
    return thread


def _watch(with_it: Process, end: Callable[[], None]) -> None:
    while with_it.is_alive():
        time.sleep(POLL_SECONDS)
    logger.error("the run that owns this job (process %d) is gone", with_it.pid)
    end()


def processes_of(run: str) -> list[psutil.Process]:
    """Return the living processes that carry a run's id in their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN) == run and process.pid != os.getpid():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def end_processes(run: str, grace: float = 5.0, spare: int | None = None) -> int:
    """End what is left of a run: ask first, then kill; return how many there were.

    It looks until it finds none: a process may start another one as it is ended. From
    asking to killing it waits `grace` seconds; `spare` is a process that is left alone.
    """
    ended: set[int] = set()
    while left := [one for one in processes_of(run) if one.pid not in {spare, *ended}]:
        alive = left
        for end in (psutil.Process.terminate, psutil.Process.kill):
            for process in alive:
                with suppress(psutil.NoSuchProcess):
                    end(process)
            _, alive = psutil.wait_procs(alive, timeout=grace)
        ended.update(process.pid for process in left)
    return len(ended)

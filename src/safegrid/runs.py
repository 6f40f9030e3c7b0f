"""Who runs: the identity that a run gives its jobs, and the file that names its owner.

Snakemake's lock says that a folder is locked, not by whom. `onstart` therefore writes
the owner's process, and the run's id goes into the environment of every job, where
engines and trainers read it: they end when their owner is gone.
"""

import os
import socket
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from safegrid.files import read_json, write_json

HOME = "SAFEGRID_HOME"
RUN = "SAFEGRID_RUN"
OWNER_PID = "SAFEGRID_OWNER_PID"
OWNER_HOST = "SAFEGRID_OWNER_HOST"
OWNER_FILE = Path(".snakemake/safegrid-owner.json")


@dataclass(frozen=True)
class Owner:
    """The process behind a run; pid and start time together name it for good."""

    run: str
    pid: int
    started: float
    host: str

    def is_here(self) -> bool:
        """Whether this run belongs to this machine."""
        return self.host == socket.gethostname()

    def is_alive(self) -> bool:
        """Whether the very process still runs (only meaningful on its host)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < 1.0
            # A dead one that nobody waits for keeps its number.
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def announce(basedir: Path) -> dict[str, str]:
    """Return the environment that every job of a run inherits.

    A job that parses the workflow again (on a cluster) keeps its run's identity.
    """
    inherited = os.environ.get("PYTHONPATH", "")
    source = str(basedir / "src")
    paths = [source, *(p for p in inherited.split(os.pathsep) if p and p != source)]
    return {
        "PYTHONPATH": os.pathsep.join(paths),
        HOME: str(basedir),
        RUN: os.environ.get(RUN) or uuid.uuid4().hex,
        OWNER_PID: os.environ.get(OWNER_PID) or str(os.getpid()),
        OWNER_HOST: os.environ.get(OWNER_HOST) or socket.gethostname(),
        # Jobs never ask a hub: what a study needs was fetched before.
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def record_owner(path: Path = OWNER_FILE) -> None:
    """Write who runs, for whoever finds the folder locked after a crash."""
    write_owner(os.environ[RUN], int(os.environ[OWNER_PID]), path)


def write_owner(run: str, pid: int, path: Path = OWNER_FILE) -> None:
    """Write that a process of this machine owns a run."""
    started = psutil.Process(pid).create_time()
    write_json(path, asdict(Owner(run, pid, started, socket.gethostname())))


def read_owner(path: Path = OWNER_FILE) -> Owner | None:
    """Return who ran last in this folder, or None where no run was recorded."""
    return Owner(**read_json(path)) if path.exists() else None


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


def end_processes(run: str, grace: float = 5.0) -> int:
    """End what is left of a run: ask first, then kill; return how many there were."""
    processes = processes_of(run)
    for process in processes:
        _signal(process, "terminate")
    _, alive = psutil.wait_procs(processes, timeout=grace)
    for process in alive:
        _signal(process, "kill")
    psutil.wait_procs(alive, timeout=grace)
    return len(processes)


def _signal(process: psutil.Process, action: str) -> None:
    try:
        getattr(process, action)()
    except psutil.NoSuchProcess:
        return

"""Processes that are named for good, and locks that die with their holder."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

import safegrid
from safegrid.errors import EngineError
from safegrid.runs import OWNER_HOST, OWNER_PID

POLL = 0.02
# Kept to reap the ended ones while their starter still runs.
_LAUNCHED: list["subprocess.Popen[bytes]"] = []


@dataclass(frozen=True)
class Process:
    """A process of this machine; a pid alone may name another one tomorrow."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Name a process; one that has ended gets a name that is never alive."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return cls(pid, 0.0)

    def is_alive(self) -> bool:
        """Whether this very process still runs and does not just wait to be reaped."""
        try:
            process = psutil.Process(self.pid)
            # Start times are computed from the clock, which may be set meanwhile.
            same = abs(process.create_time() - self.started) < 2.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def end(self, patience: float = 10.0) -> None:
        """End it and its group, and come back when it is gone.

        Raises:
            EngineError: it survives SIGKILL (it waits for a device or a disk).
        """
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.is_alive():
                self._signal(number)
            deadline = time.monotonic() + patience
            while self.is_alive() and time.monotonic() < deadline:
                time.sleep(POLL)
        if self.is_alive():
            raise EngineError(f"process {self.pid} does not end; look at what it does")

    def _signal(self, number: signal.Signals) -> None:
        # Just forked, it may not lead its own group yet; or it ends meanwhile.
        for send in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                send(self.pid, number)
                return


def owner() -> Process | None:
    """Return the process with which this run ends; None where none can be seen.

    By hand it is this process. A job on another machine than the run's owner has
    none here; its engines end with the job, or when idle.

    Raises:
        EngineError: the owner has ended, so nothing must be started for it.
    """
    text = os.environ.get(OWNER_PID)
    if text is None:
        return None if "SLURM_JOB_ID" in os.environ else Process.of(os.getpid())
    if os.environ.get(OWNER_HOST, socket.gethostname()) != socket.gethostname():
        return None
    if not text.isdigit() or not Process.of(int(text)).is_alive():
        raise EngineError(
            f"{OWNER_PID}={text} names no running process: the run that this job"
            " belongs to has ended. Start the run again"
        )
    return Process.of(int(text))


def launch(
    arguments: Sequence[str],
    log: Path,
    pass_fds: tuple[int, ...] = (),
    variables: Mapping[str, str] | None = None,
) -> Process:
    """Start a detached process of this package that outlives its starter.

    Args:
        arguments: subcommand and options.
        log: where it writes.
        pass_fds: open files that it inherits.
        variables: added to its environment.
    """
    source = str(Path(safegrid.__file__).parents[1])
    inherited = os.environ.get("PYTHONPATH")
    paths = [source, inherited] if inherited else [source]
    with log.open("ab") as stream:
        child = subprocess.Popen(
            [sys.executable, "-m", "safegrid", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
            env={
                **os.environ,
                **(variables or {}),
                "PYTHONPATH": os.pathsep.join(paths),
            },
        )
    _LAUNCHED[:] = [other for other in _LAUNCHED if other.poll() is None]
    _LAUNCHED.append(child)
    return Process.of(child.pid)


class Lock:
    """A lock on a file, held until `release` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def release(self) -> None:
        """Let go of the lock."""
        os.close(self._handle)


def try_lock(path: Path, shared: bool) -> Lock | None:
    """Take a lock if nobody holds one that excludes it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return Lock(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the exclusive lock of a file, made if needed, and hold it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX)
        # Whoever ended the run may have deleted the file that we waited for.
        if path.exists() and os.path.samestat(os.fstat(handle), path.stat()):
            break
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)

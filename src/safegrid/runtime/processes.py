"""Processes, identified by pid, start time and host, since pids are reused."""

import os
import re
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from safegrid.core.errors import SafegridError

POLL = 0.02
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)
# Of a start time, which is stored as text; a number is not given again so soon.
TOLERANCE_SECONDS = 0.5


def close_input() -> None:
    """Give this process, and all that it starts, an empty standard input.

    No job asks anything; what a library asks the terminal must not be answered there.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


@dataclass(frozen=True)
class Process:
    """A process by its number, start time and machine.

    The time is in seconds, on Linux since the machine's own start: a clock that is set
    while a run goes on must not make strangers of its processes.
    """

    pid: int
    started: float
    host: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Name a process of this machine; an ended one gets a name never alive."""
        try:
            started = _started(psutil.Process(pid))
        except psutil.NoSuchProcess:
            started = 0.0
        return cls(pid, started, socket.gethostname())

    @classmethod
    def me(cls) -> "Process":
        """Name this process."""
        return cls.of(os.getpid())

    def is_here(self) -> bool:
        """Whether it belongs to this machine, so that it can be looked at."""
        return self.host == socket.gethostname()

    def is_alive(self) -> bool:
        """Whether this very process still runs (only meaningful on its machine)."""
        try:
            process = psutil.Process(self.pid)
            same = abs(_started(process) - self.started) < TOLERANCE_SECONDS
            # A dead one that nobody waits for keeps its number.
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def peak_megabytes(self) -> int | None:
        """Return the most memory that it and its children held; None if unseen."""
        own = _peak_kilobytes(self.pid)
        if own is None:
            return None
        try:
            children = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            children = []
        peaks = (_peak_kilobytes(child.pid) or 0 for child in children)
        return round((own + sum(peaks)) / 1024)

    def end(self, patience: float = 10.0) -> None:
        """End it and its group, and come back when it is gone.

        Raises:
            SafegridError: it survives SIGKILL (it waits for a device or a disk).
        """
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.is_alive():
                self._signal(number)
            deadline = time.monotonic() + patience
            while self.is_alive() and time.monotonic() < deadline:
                time.sleep(POLL)
        if self.is_alive():
            raise SafegridError(f"process {self.pid} does not end; see what it does")

    def _signal(self, number: signal.Signals) -> None:
        # Just forked, it may not lead its own group yet; or it ends meanwhile.
        for send in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                send(self.pid, number)
                return


def _peak_kilobytes(pid: int) -> int | None:
    try:
        found = PEAK.search(Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(found[1]) if found else None


def _started(process: psutil.Process) -> float:
    # psutil adds the start of the machine, by a clock that may be set at any time.
    return process.create_time() - (psutil.boot_time() if psutil.LINUX else 0.0)

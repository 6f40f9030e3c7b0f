"""Processes that are named for good: a pid alone may name another one tomorrow."""

import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import dataclass

import psutil

from safegrid.errors import SafegridError

POLL = 0.02
# Start times are computed from the clock, which may be set meanwhile.
TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True)
class Process:
    """A process by its number, start time (seconds of the clock) and machine."""

    pid: int
    started: float
    host: str

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Name a process of this machine; an ended one gets a name never alive."""
        try:
            started = psutil.Process(pid).create_time()
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
            same = abs(process.create_time() - self.started) < TOLERANCE_SECONDS
            # A dead one that nobody waits for keeps its number.
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

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

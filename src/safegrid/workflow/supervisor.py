"""Supervisor of a run: starts Snakemake, and ends the whole run at a signal.

Snakemake ends its jobs only at a terminal's Ctrl-C, which reaches them as well. At
SIGTERM, and at a SIGINT that it gets alone, it waits for them; engines have sessions of
their own. So Snakemake gets a session too, where no terminal and no group's signal
reaches it, and this process, which owns the run, ends whatever belongs to it, once.
"""

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from safegrid.core.errors import SafegridError
from safegrid.runtime.runs import end_processes, identity

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
POLL_SECONDS = 0.2
# In which Snakemake cancels what it gave to a cluster; then it waits for local jobs.
HEAD_START_SECONDS = 1.0
GRACE_SECONDS = 3.0
PATIENCE_SECONDS = 8.0
"""From the signal until Snakemake is killed."""
MAKE = ("make", "gmake")
CAUGHT = re.compile(r"^SigCgt:\s+([0-9a-f]+)$", re.MULTILINE)


class RunEndedError(SafegridError):
    """A run that a signal has ended; `status` is what a shell would give it."""

    def __init__(self, who: str, number: int) -> None:
        super().__init__(f"{who} was ended by {signal.Signals(number).name}")
        self.status = 128 + number


class Supervisor:
    """Starts the children of one run, whose id is in their environment, one by one."""

    def __init__(self) -> None:
        self.run = uuid.uuid4().hex
        self._heard: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        parent = psutil.Process().parent()
        self._make = parent.pid if parent and parent.name() in MAKE else None
        self._caught = _caught(self._make)

    def __enter__(self) -> "Supervisor":
        for number in SIGNALS:
            # `nohup` has asked that the end of the terminal should not matter.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def call(
        self, command: Sequence[str], capture: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `capture` keeps what it prints.

        Raises:
            RunEndedError: a signal ended it, or has asked this process to end.
        """
        if self._heard is not None:
            raise RunEndedError("the run", self._heard)
        pipe = subprocess.PIPE if capture else None
        process = subprocess.Popen(
            command,
            env={**os.environ, **identity(self.run)},
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )
        out, error = self._until_end(process)
        status = process.returncode
        if status < 0:
            end_processes(self.run, GRACE_SECONDS)
            raise RunEndedError("Snakemake", -status)
        return subprocess.CompletedProcess(command, status, out, error)

    def _until_end(self, process: subprocess.Popen[str]) -> tuple[str, str]:
        """Return what a child printed when it has ended."""
        while True:
            try:
                return process.communicate(timeout=POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if (heard := self._listen()) is not None:
                    self._end(process, heard)
                    raise RunEndedError("the run", heard) from None

    def _note(self, number: int, frame: FrameType | None) -> None:
        """Keep the first signal; more of them must not disturb the end."""
        self._heard = self._heard or signal.Signals(number)

    def _listen(self) -> signal.Signals | None:
        """Return the first signal to this process, or only to the `make` above it.

        `make` passes SIGTERM on. At SIGINT and SIGHUP it waits for this process, which
        hears of it only where the whole group was meant.
        """
        told = self._caught - _caught(self._make)
        if self._heard is None and told:
            self._heard = min(told)
        return self._heard

    def _end(self, process: subprocess.Popen[str], heard: signal.Signals) -> None:
        """End a child and all that belongs to the run."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        # A closed terminal takes no more words.
        with suppress(OSError):
            print(f"{heard.name}: ending the run", file=sys.stderr, flush=True)
        process.send_signal(signal.SIGINT)
        _wait(process, HEAD_START_SECONDS)
        end_processes(self.run, GRACE_SECONDS, spare=process.pid)
        _wait(process, deadline - time.monotonic())
        process.kill()
        end_processes(self.run, GRACE_SECONDS)


def _wait(process: subprocess.Popen[str], seconds: float) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(max(0.0, seconds))


def _caught(pid: int | None) -> set[signal.Signals]:
    """Return the signals that a process handles; `make` handles each of them once.

    None are known of a process that has gone, and where the system does not tell.
    """
    try:
        found = CAUGHT.search(Path(f"/proc/{pid}/status").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return set()
    mask = int(found[1], 16) if found else 0
    return {number for number in SIGNALS if mask >> (number - 1) & 1}

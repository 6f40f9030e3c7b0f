"""Jobs of a run that are forked from a process which has imported what they need.

Jobs of a study are short, and most of their time is imports. A run's server imports
what a command needs once. The process that Snakemake starts for a job hands its
arguments, environment, folder and output to it, and waits for the exit status. It
imports next to nothing itself, and this module does not either.
"""

import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

SERVER = "SAFEGRID_JOB_SERVER"
"""The folder that holds the server's socket."""
TAKEN = b"+"
STATUS = struct.Struct("!i")
SIZE = struct.Struct("!Q")
FORWARDED = (signal.SIGINT, signal.SIGTERM)
ONE_THREAD = ("OMP_NUM_THREADS", "1")
"""How libraries were told to compute where the server imported them."""
OF_ANOTHER = {"SLURM_JOB_ID", "LOCAL_RANK"}
"""Variables of a process that is limited, or waited for, by something else."""


def run_forked(arguments: Sequence[str]) -> int | None:
    """Have the run's server fork a job of these arguments; return its exit status.

    None where no server takes it, and nothing was begun.
    """
    folder, (name, value) = os.environ.get(SERVER), ONE_THREAD
    alike = os.environ.get(name) == value and OF_ANOTHER.isdisjoint(os.environ)
    if not folder or not alike:
        return None
    with socket.socket(socket.AF_UNIX) as server, _Signals() as signals:
        try:
            with socket_of(folder) as address:
                server.connect(address)
            _hand_over(server, arguments)
            if server.recv(1) != TAKEN:
                return None
        except OSError:
            return None
        signals.go_to(server)
        status = _wait(server)
    if status < 0:
        os.kill(os.getpid(), -status)
    return status


class _Signals:
    """Signals that wait for a job, and go to it once it is there.

    What came while none was taken has its usual effect at the end.
    """

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._job: socket.socket | None = None

    def __enter__(self) -> "_Signals":
        self._usual = {one: signal.signal(one, self._take) for one in FORWARDED}
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._usual.items():
            signal.signal(one, handler)
        for number in self._waiting:
            os.kill(os.getpid(), number)

    def go_to(self, job: socket.socket) -> None:
        """Send what waits, and all that follows, to a job that is taken."""
        self._job = job
        while self._waiting:
            self._take(self._waiting.pop(0), None)

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._job is None:
            self._waiting.append(number)
            return
        with suppress(OSError):  # the job has ended, which the caller is about to hear
            self._job.send(bytes([number]))


@contextmanager
def socket_of(folder: str) -> Iterator[str]:
    """Give the name of the socket in a folder, within the 107 bytes it may have."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{handle}/socket"
    finally:
        os.close(handle)


def _hand_over(server: socket.socket, arguments: Sequence[str]) -> None:
    job = {"arguments": arguments, "environment": dict(os.environ), "cwd": os.getcwd()}
    text = json.dumps(job).encode("utf-8", "surrogateescape")
    socket.send_fds(server, [SIZE.pack(len(text))], [0, 1, 2])
    server.sendall(text)


def _wait(server: socket.socket) -> int:
    """Return how a job ended: its exit status, or less the signal that ended it."""
    said = server.recv(STATUS.size)
    if not said:
        print("error: the process that forks this run's jobs is gone", file=sys.stderr)
        return 1
    status: int = STATUS.unpack(said)[0]
    return status

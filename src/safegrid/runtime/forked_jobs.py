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
from contextlib import contextmanager
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
    if (
        not folder
        or os.environ.get(name) != value
        or not OF_ANOTHER.isdisjoint(os.environ)
    ):
        return None
    with socket.socket(socket.AF_UNIX) as server:
        try:
            with socket_of(folder) as address:
                server.connect(address)
            _hand_over(server, arguments)
            if server.recv(1) != TAKEN:
                return None
        except OSError:
            return None
        return _wait(server)


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
    """Wait for a job, to which signals go on; end as it ended."""

    def forward(number: int, _: FrameType | None) -> None:
        server.send(bytes([number]))

    for number in FORWARDED:
        signal.signal(number, forward)
    said = server.recv(STATUS.size)
    if not said:
        print("error: the process that forks this run's jobs is gone", file=sys.stderr)
        return 1
    status: int = STATUS.unpack(said)[0]
    if status < 0:
        if -status in FORWARDED:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status

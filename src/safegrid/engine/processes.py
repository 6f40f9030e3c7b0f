"""Processes that outlive their starter, and locks that die with their holder."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import safegrid
from safegrid.runtime.processes import Process

# Kept to reap the ended ones while their starter still runs.
_LAUNCHED: list["subprocess.Popen[bytes]"] = []


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

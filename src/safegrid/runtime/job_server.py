"""The server that forks a run's jobs, see `safegrid.runtime.forked_jobs`.

One process with one thread, which runs no job itself: a child must inherit nothing
half-way. A job ends when the process that asked for it ends, and the server with the
run.
"""

import atexit
import gc
import importlib
import json
import logging
import os
import resource
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.runtime.forked_jobs import (
    ONE_THREAD,
    SERVER,
    SIZE,
    STATUS,
    TAKEN,
    socket_of,
)
from safegrid.runtime.runs import PEAK

logger = logging.getLogger(__name__)

START = "from safegrid.cli import serve_jobs; serve_jobs()"
TASKS = "/proc/self/task"
PATIENCE = 10.0
# The first characters of a thread that polars starts when it is imported. It waits for
# files that were spilled to disk, of which a server has none, and holds no lock.
IDLE = "polars-ooc-clea"
# How variables begin that the hub's libraries read when they are imported.
READ_AT_IMPORT = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_")
# Threads that an import would start; tqdm reads its variable when it is imported.
SETTINGS = {
    **dict([ONE_THREAD]),
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
    "TQDM_DISABLE": "1",
}


def start_server() -> None:
    """Start the server of a run, and let its jobs know.

    It ends with this process, by which the last end of its pipe is closed.
    """
    folder = tempfile.mkdtemp(prefix="safegrid-jobs-")
    listener = socket.socket(socket.AF_UNIX)
    with socket_of(folder) as address:
        listener.bind(address)
    listener.listen(128)
    life, _ = os.pipe()
    given = [listener.fileno(), life]
    subprocess.Popen(
        [sys.executable, "-c", START, *map(str, given), folder],
        pass_fds=given,
        env={**os.environ, **SETTINGS},
        start_new_session=True,
    )
    listener.close()
    os.close(life)
    os.environ[SERVER] = folder
    # For a server that was ended, and could not.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


@dataclass(eq=False)
class _Job:
    """A process that was forked, and who asked for it."""

    client: socket.socket
    pid: int
    handle: int
    asked: bool = True

    def hear(self) -> bool:
        """Pass a signal on; False, and the process is ended, if the client is gone."""
        try:
            said = self.client.recv(1)
        except OSError:
            said = b""
        signal.pidfd_send_signal(self.handle, said[0] if said else signal.SIGKILL)
        self.asked = bool(said)
        return self.asked

    def end(self) -> None:
        """Tell the client how the process ended, if it is still there."""
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        try:
            self.client.sendall(STATUS.pack(code))
        except OSError:
            logger.warning("job %d ended with %d, unheard", self.pid, code)
        self.client.close()
        os.close(self.handle)


class JobServer:
    """The jobs of a run that were forked and have not ended.

    Args:
        listener: where clients connect.
        life: end of a pipe; the run is over when the other one is closed.
        prepare: imports what a job of some arguments needs, and tells whether it can
            be forked.
    """

    def __init__(
        self,
        listener: socket.socket,
        life: int,
        prepare: Callable[[Sequence[str]], bool],
    ) -> None:
        self._listener, self._life, self._prepare = listener, life, prepare
        self._imported_with = _read_at_import(os.environ)
        self._jobs: list[_Job] = []
        self._ready = selectors.DefaultSelector()
        self._ready.register(listener, selectors.EVENT_READ)
        self._ready.register(life, selectors.EVENT_READ)

    def serve(self) -> bool:
        """Fork jobs until the run is over; return True in each, at the end False."""
        while True:
            for key, _ in self._ready.select():
                if key.fileobj == self._life:
                    self._end_all()
                    return False
                if key.fileobj is not self._listener:
                    self._follow(key)
                elif self._take(self._listener.accept()[0]):
                    return True

    def _follow(self, key: selectors.SelectorKey) -> None:
        job: _Job = key.data
        if job not in self._jobs:
            return  # it ended in this very round
        if key.fileobj is not job.client:
            self._jobs.remove(job)
            self._ready.unregister(job.handle)
            if job.asked:
                self._ready.unregister(job.client)
            job.end()
        elif not job.hear():
            self._ready.unregister(job.client)

    def _take(self, client: socket.socket) -> bool:
        """Fork the job that a client asks for; return True in the child."""
        client.settimeout(PATIENCE)
        try:
            job, files = _received(client)
        except (OSError, ValueError, struct.error) as error:
            logger.warning("a client broke off: %s", error)
            client.close()
            return False
        alike = _read_at_import(job["environment"]) == self._imported_with
        # A child would inherit the locks of threads that it does not have.
        if not alike or not self._prepare(job["arguments"]) or busy_threads():
            client.close()
        elif (pid := _fork()) == 0:
            self._leave(client)
            _become(job, files)
            return True
        elif pid is None:
            client.close()
        else:
            self._watch(_Job(client, pid, os.pidfd_open(pid)))
        for file in files:
            os.close(file)
        return False

    def _watch(self, job: _Job) -> None:
        self._jobs.append(job)
        for what in (job.client, job.handle):
            self._ready.register(what, selectors.EVENT_READ, job)
        with suppress(OSError):  # a client that is gone is heard of next
            job.client.sendall(TAKEN)

    def _leave(self, client: socket.socket) -> None:
        """Close, in a child, what belongs to the server."""
        client.close()
        self._ready.close()
        self._listener.close()
        os.close(self._life)
        for job in self._jobs:
            job.client.close()
            os.close(job.handle)

    def _end_all(self) -> None:
        for job in self._jobs:
            signal.pidfd_send_signal(job.handle, signal.SIGKILL)


def _read_at_import(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a job cannot change for what is imported already."""
    return {k: v for k, v in environment.items() if k.startswith(READ_AT_IMPORT)}


def _fork() -> int | None:
    try:
        return os.fork()
    except OSError as error:  # no memory, or too many processes
        logger.warning("a job is not forked: %s", error)
        return None


def _received(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return what a client says of its job, and its input, output and errors."""
    head, files, _, _ = socket.recv_fds(client, SIZE.size, 3)
    [size] = SIZE.unpack(head)
    with client.makefile("rb") as stream:
        text = stream.read(size)
    job: dict[str, Any] = json.loads(text.decode("utf-8", "surrogateescape"))
    return job, files


def _become(job: dict[str, Any], files: Sequence[int]) -> None:
    """Make of a forked process what would have been started for a job."""
    os.setsid()
    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    sys.argv = ["safegrid", *job["arguments"]]
    atexit.register(_tell_peak)


def _tell_peak() -> None:
    """Log what Snakemake cannot see, since the process is no child of its own."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    logger.info(PEAK, "the job", kilobytes // 1024)


def fork_jobs(
    prepare: Callable[[Sequence[str]], bool], job: Callable[[], None]
) -> None:
    """Serve a run as `start_server` asks until it is over.

    Args:
        prepare: imports what a job of some arguments needs, and tells whether it can
            be forked.
        job: what a forked process does. Its `sys.argv` and all that belongs to a
            process are those of its client.
    """
    listener, life, folder = sys.argv[1:]
    server = JobServer(socket.socket(fileno=int(listener)), int(life), prepare)
    if server.serve():
        _run_to_its_end(job)
    shutil.rmtree(folder, ignore_errors=True)


def _run_to_its_end(job: Callable[[], None]) -> None:
    """Run a job, and end its process without taking down what it had imported.

    That would copy what it shares with the server: a third of a second where there is
    torch. A job that ends by an error ends as any process does.
    """
    status: int | str | None = 0
    try:
        job()
    except SystemExit as end:
        status = end.code
    if isinstance(status, str):
        sys.exit(status)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


def imported(*modules: str) -> bool:
    """Import modules for all children; False where one of them cannot be."""
    try:
        for module in modules:
            importlib.import_module(module)
    except Exception:
        logger.exception("jobs are not forked with %s", ", ".join(modules))
        return False
    gc.freeze()  # what is shared with the children should stay shared
    return True


def busy_threads() -> list[str]:
    """Return the names of this process's threads whose locks a child would inherit."""
    own, names = str(os.getpid()), []
    for task in Path(TASKS).iterdir():
        if task.name != own:
            with suppress(OSError):  # it has ended since
                names.append((task / "comm").read_text("utf-8").strip())
    return [name for name in names if name != IDLE]

"""A process that has imported torch and transformers and forks engines of itself.

One per run, on CPUs. It listens on a socket that its starter made, answers the path of
a launch spec with the process that now serves it, and never runs a model: there must be
no thread and no device for a child to lose.
"""

import gc
import importlib
import json
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from safegrid.core.errors import EngineError, SafegridError
from safegrid.core.files import as_record
from safegrid.engine.processes import launch, try_lock
from safegrid.engine.registry import EngineEntry, LaunchSpec
from safegrid.runtime.processes import Process

logger = logging.getLogger(__name__)

# Pools that an import would start; engines set their number of threads themselves.
NO_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Loading a model imports the rest of transformers; naming it here does it once.
PRELOADED = ("safegrid.engine.server", "transformers.models.llama.modeling_llama")


def fork(
    fork_server: EngineEntry, entry: EngineEntry, launch_spec: LaunchSpec
) -> Process:
    """Ask the fork server, started if needed, for a process that serves a launch spec.

    Raises:
        EngineError: it gave none; with its log's end.
    """
    if fork_server.process() is None:
        _start(fork_server, launch_spec)
    try:
        with socket.socket(socket.AF_UNIX) as connection, _short(fork_server) as name:
            connection.settimeout(launch_spec.start_seconds)
            connection.connect(name)
            connection.sendall(f"{entry.launch_spec}\n".encode())
            return as_record(connection.makefile().readline(), Process)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"the process that engines are forked from gave none ({error});"
            " SAFEGRID_ENGINE_START=spawn does without it. Its log ends:\n"
            + fork_server.log_tail()
        ) from error


def _start(fork_server: EngineEntry, launch_spec: LaunchSpec) -> None:
    """Start the fork server with a socket that already listens."""
    fork_server.base.with_suffix(".socket").unlink(missing_ok=True)
    fork_server.write_launch_spec(launch_spec)
    with socket.socket(socket.AF_UNIX) as listener, _short(fork_server) as name:
        listener.bind(name)
        listener.listen()
        handle = listener.fileno()
        arguments = [
            "--launch-spec",
            str(fork_server.launch_spec),
            "--listener",
            str(handle),
        ]
        process = launch(
            ["fork-server", *arguments], fork_server.log, (handle,), NO_THREADS
        )
    fork_server.write_process(process)


@contextmanager
def _short(fork_server: EngineEntry) -> Iterator[str]:
    """Give a name of the socket that fits into the 107 bytes a socket may have."""
    path = fork_server.base.with_suffix(".socket")
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)


def serve_forks(launch_spec: Path, listener: int) -> None:
    """Import what engines need, then fork one per request until the run ends.

    Without an owner to watch, it ends when nobody asked for the spec's idle time.

    Args:
        launch_spec: of the engine that this fork server was started for.
        listener: number of the inherited socket.
    """
    owner, idle = (
        LaunchSpec.read(launch_spec).owner,
        LaunchSpec.read(launch_spec).idle_seconds,
    )
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # what is shared with the children should stay shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps them
    last = time.monotonic()
    with socket.socket(fileno=listener) as server:
        while launch_spec.exists():
            if select.select([server], [], [], 1.0)[0]:
                _answer(server)
                last = time.monotonic()
            if owner is not None and not owner.is_alive():
                return
            idle_over = owner is None and time.monotonic() - last > idle
            if idle_over and _forgotten(launch_spec):
                return


def _forgotten(launch_spec: Path) -> bool:
    """Leave the registry, unless a client that holds its lock may be asking."""
    lock = try_lock(launch_spec.parent / "registry.lock", shared=False)
    if lock is None:
        return False
    EngineEntry(launch_spec.with_suffix("")).clear()
    lock.release()
    return True


def _answer(server: socket.socket) -> None:
    """Fork for one request; whatever is wrong with it, the fork server goes on."""
    connection, _ = server.accept()
    with connection:
        try:
            launch_spec = Path(connection.makefile().readline().strip())
            if len(LaunchSpec.read(launch_spec).stack) > 1:
                importlib.import_module("peft")  # seconds too; only adapters need it
            _check_threads()
            pid = os.fork()
            if pid == 0:
                server.close()
                connection.close()
                _become_engine(launch_spec)
            connection.sendall(json.dumps(asdict(Process.of(pid))).encode() + b"\n")
        except (SafegridError, OSError):
            logger.exception("a request for an engine failed")


def _become_engine(launch_spec: Path) -> None:
    """Serve a launch spec in this child; never returns."""
    from safegrid.engine.server import serve

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(
        EngineEntry(launch_spec.with_suffix("")).log, os.O_WRONLY | os.O_CREAT, 0o600
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        serve(launch_spec)
    except BaseException:
        logger.exception("the engine failed")
    logging.shutdown()
    sys.stdout.flush()
    os._exit(1)


def _check_threads() -> None:
    """Refuse to fork beside threads, whose locks the children would inherit.

    Raises:
        EngineError: an import has started some.
    """
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        raise EngineError(
            f"an import started {threads - 1} threads, so no engine can be forked;"
            " set SAFEGRID_ENGINE_START=spawn"
        )

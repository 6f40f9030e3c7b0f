"""A process that has imported torch and transformers and forks engines of itself.

One per run, on CPUs. It listens on a socket that its starter made, answers the path of
a ticket with the process that now serves it, and never runs a model: there must be no
thread and no device for a child to lose.
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
from safegrid.engine.registry import Slot, Ticket
from safegrid.runtime.processes import Process

logger = logging.getLogger(__name__)

# Pools that an import would start; engines set their number of threads themselves.
NO_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Loading a model imports the rest of transformers; naming it here does it once.
PRELOADED = ("safegrid.engine.server", "transformers.models.llama.modeling_llama")


def fork(nursery: Slot, slot: Slot, ticket: Ticket) -> Process:
    """Ask the nursery, started if needed, for a process that serves a ticket.

    Raises:
        EngineError: it gave none; with its log's end.
    """
    if nursery.process() is None:
        _start(nursery, ticket)
    try:
        with socket.socket(socket.AF_UNIX) as connection, _short(nursery) as name:
            connection.settimeout(ticket.start_seconds)
            connection.connect(name)
            connection.sendall(f"{slot.ticket}\n".encode())
            return as_record(connection.makefile().readline(), Process)
    except (OSError, ValueError) as error:
        raise EngineError(
            f"the process that engines are forked from gave none ({error});"
            " SAFEGRID_ENGINE_START=spawn does without it. Its log ends:\n"
            + nursery.log_tail()
        ) from error


def _start(nursery: Slot, ticket: Ticket) -> None:
    """Start the nursery with a socket that already listens."""
    nursery.base.with_suffix(".socket").unlink(missing_ok=True)
    nursery.write_ticket(ticket)
    with socket.socket(socket.AF_UNIX) as listener, _short(nursery) as name:
        listener.bind(name)
        listener.listen()
        handle = listener.fileno()
        arguments = ["--ticket", str(nursery.ticket), "--listener", str(handle)]
        process = launch(["nursery", *arguments], nursery.log, (handle,), NO_THREADS)
    nursery.write_process(process)


@contextmanager
def _short(nursery: Slot) -> Iterator[str]:
    """Give a name of the socket that fits into the 107 bytes a socket may have."""
    path = nursery.base.with_suffix(".socket")
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)


def serve_forks(ticket: Path, listener: int) -> None:
    """Import what engines need, then fork one per request until the run ends.

    Without an owner to watch, it ends when nobody asked for the ticket's idle time.

    Args:
        ticket: of the engine that this nursery was started for.
        listener: number of the inherited socket.
    """
    owner, idle = Ticket.read(ticket).owner, Ticket.read(ticket).idle_seconds
    for module in PRELOADED:
        importlib.import_module(module)
    gc.freeze()  # what is shared with the children should stay shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps them
    last = time.monotonic()
    with socket.socket(fileno=listener) as server:
        while ticket.exists():
            if select.select([server], [], [], 1.0)[0]:
                _answer(server)
                last = time.monotonic()
            if owner is not None and not owner.is_alive():
                return
            idle_over = owner is None and time.monotonic() - last > idle
            if idle_over and _forgotten(ticket):
                return


def _forgotten(ticket: Path) -> bool:
    """Leave the registry, unless a client that holds its lock may be asking."""
    lock = try_lock(ticket.parent / "registry.lock", shared=False)
    if lock is None:
        return False
    Slot(ticket.with_suffix("")).clear()
    lock.release()
    return True


def _answer(server: socket.socket) -> None:
    """Fork for one request; whatever is wrong with it, the nursery goes on."""
    connection, _ = server.accept()
    with connection:
        try:
            ticket = Path(connection.makefile().readline().strip())
            if len(Ticket.read(ticket).chain) > 1:
                importlib.import_module("peft")  # seconds too; only adapters need it
            _check_threads()
            pid = os.fork()
            if pid == 0:
                server.close()
                connection.close()
                _become_engine(ticket)
            connection.sendall(json.dumps(asdict(Process.of(pid))).encode() + b"\n")
        except (SafegridError, OSError):
            logger.exception("a request for an engine failed")


def _become_engine(ticket: Path) -> None:
    """Serve a ticket in this child; never returns."""
    from safegrid.engine.server import serve

    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(Slot(ticket.with_suffix("")).log, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    try:
        serve(ticket)
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

"""Leases of engines: use the one that runs, or start it; at most so many at once.

A client holds a lease while it asks. Engines outlive their leases, so that the next
cell of the same model finds one (`manager` starts and ends them). Hold one lease at a
time: a process that waits for a second while it keeps the first may wait for itself.
"""

import atexit
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Client, Connection
from pathlib import Path

import safegrid
from safegrid.config import EngineSpec
from safegrid.core.errors import EngineError
from safegrid.engine.calls import FailedError
from safegrid.engine.client import Engine
from safegrid.engine.connect import Card, connect, find_engine, served_by
from safegrid.engine.identity import served_name
from safegrid.engine.launch import (
    FAILED,
    LIST,
    MANAGER_LOG,
    RUN_DIR,
    STOP,
    LaunchSpec,
    Running,
    forks,
    is_by_hand,
    log_tail,
    run_folder,
    socket_name,
)
from safegrid.models.checkpoints import Head
from safegrid.runtime.processes import Process
from safegrid.runtime.runs import PEAK, owner

logger = logging.getLogger(__name__)

POLL = 0.02
PATIENCE = 60.0
SAY_EVERY = 60.0


@contextmanager
def lease(
    spec: EngineSpec,
    stack: Sequence[Path],
    head: Head = "causal",
    search: Path | None = None,
) -> Iterator[Engine]:
    """Give the engine of a model, for as long as the block runs.

    With an `address` in `spec` nothing is started; `search` is the folder of the code
    that searches in beams, if it is to.

    Raises:
        EngineError: it does not start or does not answer, with its log's end; or it
            is to search in beams or to embed, and is not ours.
    """
    stack = [folder.resolve() for folder in stack]
    if search is not None and spec.kind != "safegrid":
        raise EngineError(f"an engine of kind {spec.kind!r} searches in no beams")
    if head == "embed" and spec.kind != "safegrid":
        raise EngineError(f"an engine of kind {spec.kind!r} gives no vectors of ours")
    if spec.address:
        yield find_engine(spec, stack, head)
        return
    forked = forks() and spec.kind == "safegrid"
    launch_spec = LaunchSpec(
        engine=spec,
        model=served_name(spec, stack, head, search),
        stack=[str(folder) for folder in stack],
        head=head,
        threads=int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        owner=Process.me() if is_by_hand() else owner(),
        search=None if search is None else str(search.resolve()),
        environment=None if forked else dict(os.environ),
    )
    connection, running, card = _reach(launch_spec)
    assert running.url is not None, "engines that are lent answer"

    def why_gone() -> str:
        return f". Its log ends:\n{log_tail(running.log)}"

    with connection, _ended_if_failed(connection):
        yield connect(spec, running.url, running.key, card, stack, why_gone)
        peak = running.process.peak_megabytes()
        if peak is not None:
            logger.info(PEAK, "its engine", peak)


def stop_all(folder: Path | None = None) -> None:
    """End all engines of a run on this machine and forget them.

    Args:
        folder: where they are managed; default that of this job or run.
    """
    folder = folder or run_folder()
    connection = _call(folder)
    if connection is not None:
        with connection, suppress(OSError):
            connection.send(STOP)
            connection.poll(None)  # until the manager is gone
    shutil.rmtree(folder, ignore_errors=True)


def engines(folder: Path | None = None) -> list[Running]:
    """Return the engines of a run that run on this machine."""
    connection = _call(folder or run_folder())
    if connection is None:
        return []
    with connection:
        connection.send(LIST)
        found: list[Running] = connection.recv()
        return found


def _reach(
    launch_spec: LaunchSpec, again: bool = True
) -> tuple[Connection, Running, Card]:
    """Hold an engine that answers: one that is met dying is started again, once."""
    connection = _manager()
    try:
        running = _borrow(connection, launch_spec)
        with _ended_if_failed(connection):
            cards = served_by(str(running.url), running.key)
        named = [card for card in cards if card["id"] == running.name]
        if not named:
            raise EngineError(f"{running.url} does not serve {running.name}: {cards}")
        return connection, running, named[0]
    except BaseException as error:
        connection.close()
        if not (again and isinstance(error, FailedError)):
            raise
        logger.warning("%s; it is started again", error)
        return _reach(launch_spec, again=False)


def _borrow(connection: Connection, launch_spec: LaunchSpec) -> Running:
    try:
        connection.send(launch_spec)
        while not connection.poll(SAY_EVERY):
            logger.info(
                "%s waits: it starts, or %d engines are in use",
                launch_spec.model,
                launch_spec.engine.max_engines,
            )
        answer = connection.recv()
    except (EOFError, OSError) as error:
        raise FailedError("the manager of the run's engines is gone") from error
    if isinstance(answer, Exception):
        raise answer
    assert isinstance(answer, Running)
    return answer


@contextmanager
def _ended_if_failed(connection: Connection) -> Iterator[None]:
    """End an engine that failed, so that the next lease does not meet it dying."""
    try:
        yield
    except FailedError:
        with suppress(OSError):
            connection.send(FAILED)
            connection.poll(None)  # until it has ended
        raise


def _manager() -> Connection:
    """Connect to the manager of this run's engines, started if needed.

    Raises:
        EngineError: it does not start, or its folder belongs to another user.
    """
    folder = run_folder()
    for path in [folder] if RUN_DIR in os.environ else [folder.parent, folder]:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid != os.getuid():
            raise EngineError(
                f"{path} belongs to another user; set {RUN_DIR} to a folder of yours"
                " on a local disk"
            )
    if is_by_hand():
        atexit.register(stop_all, folder)
    child, deadline = None, time.monotonic() + PATIENCE
    while (connection := _call(folder)) is None:
        if child is None:
            child = _start_manager(folder)
        if child.poll() or time.monotonic() > deadline:
            raise EngineError(
                "the manager of the run's engines does not start. Its log ends:\n"
                + log_tail(folder / MANAGER_LOG)
            )
        time.sleep(POLL)
    return connection


def _call(folder: Path) -> Connection | None:
    """Connect to the manager in a folder; None where there is none."""
    try:
        with socket_name(folder) as name:
            return Client(name, "AF_UNIX")
    except (FileNotFoundError, ConnectionRefusedError):
        return None


def _start_manager(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the manager detached, since it outlives its starter."""
    source = str(Path(safegrid.__file__).parents[1])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "safegrid", "manage-engines", "--folder"]
    with (folder / MANAGER_LOG).open("ab") as log:
        return subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )

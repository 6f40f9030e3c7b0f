"""The manager of a run's engines: starts them, lends them to its jobs, ends them.

One process a run, or SLURM job, on each machine. A lease is an open connection to its
socket, so the end of a client, of whatever kind, gives the engine back. An engine is
ended when idle, when it failed a client, or to make room for another model, never while
it is lent. All end with the manager, which ends with the run's owner.
"""

import fcntl
import itertools
import logging
import multiprocessing
import os
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any

from safegrid.core.errors import EngineError, SafegridError
from safegrid.engine.calls import is_failing
from safegrid.engine.launch import (
    LIST,
    MANAGER_LOG,
    START,
    STOP,
    LaunchSpec,
    Running,
    log_tail,
    socket_name,
)
from safegrid.engine.main import run_engine
from safegrid.runtime.processes import Process

logger = logging.getLogger(__name__)

# What vLLM writes stays after the run: it dies of many things, most of them told early.
LOGS = Path("logs/engines")
POLL = 0.1
LOOK_EVERY = 0.5
PATIENCE = 60.0
# Pools that an import would start; engines set their number of threads themselves.
NO_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def manage_engines(folder: Path) -> None:
    """Lend engines until the run's owner is gone; started by whoever finds no manager.

    Args:
        folder: private to the user; for the socket and the engines' logs.
    """
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another client was first
    with socket_name(folder) as name:
        Path(name).unlink(missing_ok=True)
        listener = Listener(name, "AF_UNIX", backlog=128)
        manager = Manager(folder)
        threading.Thread(target=manager.accept, args=(listener,), daemon=True).start()
        while manager.is_needed():
            time.sleep(LOOK_EVERY)
        manager.leave()


@dataclass(eq=False)
class _Engine:
    """A process of an engine, and who uses it."""

    launch_spec: LaunchSpec
    process: Process
    log: Path
    hears: Connection
    url: str | None = None
    leases: int = 0
    last_used: float = field(default_factory=time.monotonic)
    starting: threading.Lock = field(default_factory=threading.Lock)

    def wait_for_url(self) -> None:
        """Wait until the engine says where it answers.

        Raises:
            EngineError: it ended before, or was not ready in time; with its log's end.
        """
        name, patience = self.launch_spec.model, self.launch_spec.engine.start_seconds
        with self.starting:
            if self.url is not None:
                return
            try:
                if self.hears.poll(patience):
                    self.url = self.hears.recv()
                    return
            except (EOFError, OSError):
                raise EngineError(
                    f"engine {name} ended while it started. Its log ends:\n"
                    + log_tail(self.log)
                ) from None
            self.process.end()
            raise EngineError(
                f"engine {name} was not ready after {patience:g} s; raise"
                f" `engine.start_seconds`. Its log ends:\n{log_tail(self.log)}"
            )

    def is_well(self) -> bool:
        """Whether it runs and can be asked."""
        failing = self.url is not None and is_failing(self.url)
        return self.process.is_alive() and not failing

    def shown(self) -> Running:
        """Return what a client needs to know."""
        spec = self.launch_spec
        return Running(spec.model, self.process, self.url, spec.key, self.log)


class Manager:
    """All engines of a run on this machine, under one lock; a thread a client."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = secrets.token_hex(32)
        self._owner: Process | None = None
        self._engines: dict[str, _Engine] = {}
        self._changed = threading.Condition()
        # Without an owner to see, it ends when nobody asked for so long.
        self._idle_seconds = PATIENCE
        self._last_asked = time.monotonic()

    def accept(self, listener: Listener) -> None:
        """Serve every client in a thread of its own."""
        while True:
            client = listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def is_needed(self) -> bool:
        """End what is idle; whether there is anything left to wait for."""
        with self._changed:
            multiprocessing.active_children()  # reaps the ended ones
            now = time.monotonic()
            for engine in list(self._engines.values()):
                idle = 0.0 if engine.leases else now - engine.last_used
                if idle > engine.launch_spec.engine.idle_seconds:
                    self._end(engine, f"idle for {idle:.0f} s")
            if not (self._folder / "socket").exists():
                return False
            if self._owner is not None:
                return self._owner.is_alive()
            return bool(self._engines) or now - self._last_asked < self._idle_seconds

    def leave(self) -> None:
        """End this process; what is left of its engines ends then."""
        with self._changed:
            (self._folder / "socket").unlink(missing_ok=True)
            os._exit(0)

    def _serve(self, client: Connection) -> None:
        with client, suppress(EOFError, OSError):
            asked = client.recv()
            if asked == STOP:
                with self._changed:
                    for engine in list(self._engines.values()):
                        self._end(engine, "stopped")
                self.leave()
            elif asked == LIST:
                with self._changed:
                    found = [engine.shown() for engine in self._engines.values()]
                client.send([one for one in found if one.process.is_alive()])
            else:
                self._lend(client, asked)

    def _lend(self, client: Connection, spec: LaunchSpec) -> None:
        """Lend an engine until the client closes its connection, or says it failed."""
        try:
            engine = self._take(client, spec)
        except SafegridError as error:
            client.send(error)
            return
        try:
            engine.wait_for_url()
            client.send(engine.shown())
            client.recv()
            with self._changed:
                self._end(engine, "it failed a client")
        except SafegridError as error:
            client.send(error)
        finally:
            with self._changed:
                engine.leases -= 1
                engine.last_used = self._last_asked = time.monotonic()
                self._changed.notify_all()

    def _take(self, client: Connection, spec: LaunchSpec) -> _Engine:
        """Wait until the engine runs, or there is room to start it, and hold it.

        Raises:
            EngineError: it cannot be started.
            EOFError: the client has gone.
        """
        with self._changed:
            self._owner = self._owner or spec.owner
            self._idle_seconds = spec.engine.idle_seconds
            while True:
                self._last_asked = time.monotonic()
                engine = self._engines.get(spec.model)
                if engine is not None and not engine.is_well():
                    self._end(engine, "it is dead or fails")
                    engine = None
                if engine is None and self._make_room(spec.engine.max_engines):
                    engine = self._start(replace(spec, key=self._key))
                if engine is not None:
                    engine.leases += 1
                    return engine
                self._changed.wait(POLL)
                if client.poll():
                    raise EOFError

    def _make_room(self, most: int) -> bool:
        """End the engines that are idle longest until there is room for one more."""
        alive = [one for one in self._engines.values() if one.process.is_alive()]
        idle = [engine for engine in alive if not engine.leases]
        surplus = len(alive) + 1 - most
        if surplus > len(idle):
            return False
        for engine in sorted(idle, key=lambda one: one.last_used)[: max(0, surplus)]:
            self._end(engine, "to make room")
        return True

    def _end(self, engine: _Engine, reason: str) -> None:
        name = engine.launch_spec.model
        if self._engines.get(name) is engine:
            logger.info("%s ends: %s", name, reason)
            del self._engines[name]
            engine.process.end()
            engine.hears.close()

    def _start(self, spec: LaunchSpec) -> _Engine:
        """Start an engine's process.

        Raises:
            EngineError: there is nothing to fork it from.
        """
        forks = spec.environment is None
        if forks:
            os.environ.update(NO_THREADS)
            multiprocessing.set_forkserver_preload(["safegrid.engine.preloaded"])
        context: Any = multiprocessing.get_context("forkserver" if forks else "spawn")
        hears, teller = context.Pipe(duplex=False)
        log = self._log(spec)
        child = context.Process(target=run_engine, args=(spec, log, teller))
        try:
            child.start()
        except (OSError, EOFError) as error:
            raise EngineError(
                f"the process that engines are forked from gave none ({error});"
                f" {START}=spawn does without it. Its log ends:\n"
                + log_tail(self._folder / MANAGER_LOG)
            ) from error
        teller.close()
        engine = _Engine(spec, Process.of(child.pid), log, hears)
        self._engines[spec.model] = engine
        logger.info("engine %s: process %d", spec.model, child.pid)
        return engine

    def _log(self, spec: LaunchSpec) -> Path:
        """Make the log of one more start of an engine."""
        folder = LOGS.absolute() if spec.engine.kind == "vllm" else self._folder
        folder.mkdir(parents=True, exist_ok=True)
        names = (folder / f"{spec.model}.{number}.log" for number in itertools.count(1))
        path = next(path for path in names if not path.exists())
        path.touch(mode=0o600)
        return path

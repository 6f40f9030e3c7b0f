"""A run's engines on this machine: a folder of small files, changed under one lock.

An engine has an *entry* named by what it serves: `.json` (its process), `.launch` (what
it was started with), `.url` (written by itself once it answers), `.use` (locked,
shared, by every client that holds a lease) and `.log`. The folder is private to the
user and lies on a local disk: the locks of many network file systems do nothing.
"""

import json
import os
import re
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safegrid.core.errors import DataError, EngineError
from safegrid.core.files import read_record, write_json, write_text
from safegrid.engine.processes import Lock, locked, try_lock
from safegrid.runtime.processes import Process
from safegrid.runtime.runs import RUN, SLURM_JOB

RUN_DIR = "SAFEGRID_RUN_DIR"
LOG_LINES = 20
# An exception with what it says, alone on its line or behind what a logger puts before
# it; and what a logger calls an error.
EXCEPTION = re.compile(r"^(?:.*\bERROR\b.*\] +)?(?:\w+\.)*\w*(?:Error|Exception): \S")
ERROR = re.compile(r"\bERROR\b(?!.*Traceback)")
FORK_SERVER = "fork-server"


@dataclass(frozen=True)
class LaunchSpec:
    """What an engine's process is started with; holds the run's key, so a file.

    Attributes:
        model: the name it serves under.
        key: bearer key of the run.
        owner: the process with which the engine ends, if there is one to see.
        threads: of torch.
        search: folder of the code that searches in beams, if it is to.
        options: of vLLM's command line, beside what every server of ours is given.
    """

    kind: str
    model: str
    stack: list[str]
    head: str
    dtype: str
    batch_size: int
    max_batch_tokens: int
    idle_seconds: float
    start_seconds: float
    key: str
    owner: Process | None
    threads: int
    search: str | None = None
    options: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "LaunchSpec":
        """Read a launch spec that `EngineEntry.write_launch_spec` wrote.

        Raises:
            DataError: it is not there, or is no launch_spec.
        """
        return read_record(path, cls)


class EngineEntry:
    """The files of one engine; all but `hold` are used under the registry's lock."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.log = base.with_suffix(".log")
        self.launch_spec = base.with_suffix(".launch_spec")
        self.state = base.with_suffix(".json")
        self._url = base.with_suffix(".url")
        self._use = base.with_suffix(".use")

    def process(self) -> Process | None:
        """Return the living process of this entry, or None.

        Raises:
            EngineError: what stands there names no process.
        """
        if not self.state.exists():
            return None
        try:
            process = read_record(self.state, Process)
        except DataError as error:
            raise EngineError(
                f"{error}; it names the process of an engine. End what is left of the"
                f" run, remove the folder {self.state.parent} and start again"
            ) from error
        return process if process.is_alive() else None

    def write_process(self, process: Process) -> None:
        """Record the process that serves from here."""
        write_json(self.state, asdict(process))

    def write_launch_spec(self, launch_spec: LaunchSpec) -> None:
        """Write what the engine reads at its start; private, as it holds the key."""
        self.launch_spec.touch(mode=0o600)
        self.launch_spec.write_text(json.dumps(asdict(launch_spec)), encoding="utf-8")

    def url(self) -> str | None:
        """Return where the engine answers, or None before it does."""
        return self._url.read_text() if self._url.exists() else None

    def write_url(self, url: str) -> None:
        """Say where the engine answers; called by the engine itself."""
        write_text(self._url, url)

    def hold(self) -> Lock | None:
        """Take part in the use of this engine; None while it is being ended."""
        return try_lock(self._use, shared=True)

    def seize(self) -> Lock | None:
        """Take the engine out of use; None while a client uses it."""
        return try_lock(self._use, shared=False)

    def mark_used(self) -> None:
        """Note when the last use ended, to find the engine that is idle longest."""
        if self._use.exists():
            os.utime(self._use)

    def last_used(self) -> float:
        """Return when the last use ended, in seconds of the clock."""
        return self._use.stat().st_mtime if self._use.exists() else 0.0

    def clear(self) -> None:
        """Forget the process: nobody finds the engine any more."""
        for path in (self.state, self._url, self.launch_spec):
            path.unlink(missing_ok=True)

    def log_tail(self) -> str:
        """Return the last lines of the engine's log, for an error message.

        Before them stand the first error and the first exception, which may be the
        cause of all others; behind them where the log is kept, if it outlives the
        engine.
        """
        if not self.log.exists():
            return "(it wrote no log)"
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        kept = [f"(all of it: {self.log.readlink()})"] if self.log.is_symlink() else []
        if not lines:
            return "\n".join(["(its log is empty)", *kept])
        before, tail = lines[:-LOG_LINES], lines[-LOG_LINES:]
        found = (_first(ERROR, before), _first(EXCEPTION, before))
        first = [f"(first error) {line}" for line in dict.fromkeys(found) if line]
        return "\n".join([*first, *(["[...]"] if first else []), *tail, *kept])


def _first(pattern: re.Pattern[str], lines: list[str]) -> str | None:
    return next((line for line in lines if pattern.search(line)), None)


class Registry:
    """The folder of a run's engines on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lock(self) -> AbstractContextManager[None]:
        """Hold this while reading or changing any entry."""
        return locked(self.folder / "registry.lock")

    def entry(self, name: str) -> EngineEntry:
        """Return the entry of a served name."""
        return EngineEntry(self.folder / name)

    @property
    def fork_server(self) -> EngineEntry:
        """The entry of the process that engines are forked from."""
        return EngineEntry(self.folder / FORK_SERVER)

    def alive(self) -> Iterator[tuple[EngineEntry, Process]]:
        """Give the engines' entries whose process lives, with the process."""
        for path in sorted(self.folder.glob("*.json")):
            entry = EngineEntry(path.with_suffix(""))
            process = entry.process()
            if process is not None and entry.base.name != FORK_SERVER:
                yield entry, process

    def key(self) -> str:
        """Return the run's bearer key, made at its first use; under the lock."""
        path = self.folder / "key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32))
        return path.read_text()


def registry() -> Registry:
    """Return the registry of this job or run, its folder made if needed.

    A SLURM job has its own, because its engines end with it; else the run has one;
    a command by hand has its own.

    Raises:
        EngineError: the folder belongs to another user.
    """
    folder = run_folder()
    private = [folder] if RUN_DIR in os.environ else [folder.parent, folder]
    for path in private:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_uid != os.getuid():
            raise EngineError(
                f"{path} belongs to another user; set {RUN_DIR} to a folder of yours"
                " on a local disk"
            )
    return Registry(folder)


def run_folder() -> Path:
    """Return where this job's or run's engines are registered."""
    default = Path(tempfile.gettempdir()) / f"safegrid-{os.getuid()}"
    root = Path(os.environ.get(RUN_DIR, default)).absolute()
    if SLURM_JOB in os.environ:
        name = f"slurm-{os.environ[SLURM_JOB]}"
    elif RUN in os.environ:
        name = f"run-{os.environ[RUN]}"
    else:
        name = f"hand-{os.getpid()}"
    return root / f"{name}@{socket.gethostname()}"


def is_by_hand() -> bool:
    """Whether this command belongs to no run, so that its engines end with it."""
    return RUN not in os.environ and SLURM_JOB not in os.environ

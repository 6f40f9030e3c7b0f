"""Peak memory of everything that a run starts, engines that left its tree included."""

import threading
from pathlib import Path

import psutil

from safegrid.runtime.runs import processes_of, read_owner

INTERVAL = 2.0


class Watch:
    """Samples proportional memory (shared pages once) of the run in a folder.

    Args:
        owner_file: where the run writes who it is; whatever carries its id counts.

    Attributes:
        peak: megabytes, the largest sum seen; between samples more may have been used.
        most: processes of the sample that had most of them.
    """

    def __init__(self, owner_file: Path) -> None:
        self.peak = 0.0
        self.most = 0
        self._owner_file = owner_file
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.sample()

    def sample(self) -> None:
        """Look once."""
        owner = read_owner(self._owner_file)
        if owner is not None:
            found = processes_of(owner.run)
            self.peak = max(self.peak, sum(map(_megabytes, found)))
            self.most = max(self.most, len(found))


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0.0

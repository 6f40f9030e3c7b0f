"""Peak memory of everything that a run starts, engines that left its tree included."""

import os
import threading
import uuid
from types import TracebackType

import psutil

from safegrid.runs import OWNER_PID, RUN, processes_of

INTERVAL = 2.0


class Watch:
    """Samples proportional memory (shared pages once) of a run's processes.

    Attributes:
        peak: megabytes, the largest sum seen; between samples more may have been used.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._run = uuid.uuid4().hex
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Watch":
        os.environ[RUN] = self._run
        os.environ.pop(OWNER_PID, None)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        del os.environ[RUN]

    def _sample(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.peak = max(self.peak, sum(map(_megabytes, processes_of(self._run))))


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 1e6
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0.0

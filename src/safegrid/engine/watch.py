"""The end of an engine: when idle, forgotten, or left without its run's owner."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from safegrid.engine.registry import EngineEntry, LaunchSpec, Registry

logger = logging.getLogger(__name__)


class Watch(threading.Thread):
    """Looks every second whether this engine should end, and calls `end` if so.

    Args:
        launch_spec: path of what the engine was started with.
        busy: whether a request is being worked on.
        end: ends the process; called once.
    """

    def __init__(
        self, launch_spec: Path, busy: Callable[[], bool], end: Callable[[], None]
    ) -> None:
        super().__init__(daemon=True)
        read = LaunchSpec.read(launch_spec)
        self._entry = EngineEntry(launch_spec.with_suffix(""))
        self._registry = Registry(launch_spec.parent)
        self._owner = read.owner
        self._idle_seconds = read.idle_seconds
        self._busy = busy
        self._end = end
        self._last_used = time.monotonic()

    def run(self) -> None:
        """Look until there is a reason to end."""
        period = min(1.0, self._idle_seconds / 4)
        while (reason := self._look()) is None:
            time.sleep(period)
        logger.info("%s ends: %s", self._entry.base.name, reason)
        self._end()

    def _look(self) -> str | None:
        """Return the reason to end, if there is one."""
        try:
            return self._reason()
        except OSError as error:
            return f"its run's registry is gone ({error})"

    def _reason(self) -> str | None:
        if self._owner is not None and not self._owner.is_alive():
            return "its run's owner has ended"
        with self._registry.lock():
            serving = self._entry.process()
            if serving is None or serving.pid != os.getpid():
                return "its entry has another engine, or none"
            return self._idle_reason()

    def _idle_reason(self) -> str | None:
        """Say whether it was idle too long; if so, no client finds it any more."""
        lock = None if self._busy() else self._entry.seize()
        if lock is None:
            self._last_used = time.monotonic()
            return None
        idle = time.monotonic() - self._last_used
        if idle < self._idle_seconds:
            lock.release()
            return None
        self._entry.clear()
        return f"idle for {idle:.0f} s"


def leave() -> None:
    """End this process at once, whatever its threads do."""
    logging.shutdown()
    os._exit(0)

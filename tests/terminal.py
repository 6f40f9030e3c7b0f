"""Commands in a terminal: what they show there, and keys that are pressed."""

import os
import pty
import select
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROWS_AND_COLUMNS = (24, 80)
SWITCHES = ("TQDM_DISABLE", "DISABLE_PROGRESS_BARS")


def in_terminal(command: Sequence[str]) -> str:
    """Run a command with a terminal for its errors; return what it showed there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, ROWS_AND_COLUMNS)
    # Tests that import trainers have switched bars off for themselves.
    kept = {k: v for k, v in os.environ.items() if not k.endswith(SWITCHES)}
    with subprocess.Popen(
        command, env=kept, stdout=subprocess.DEVNULL, stderr=theirs
    ) as child:
        os.close(theirs)
        shown = bytearray()
        while block := _read(ours):
            shown += block
    os.close(ours)
    assert child.returncode == 0, shown.decode()
    return shown.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the last writer has gone
        return b""


class Terminal:
    """A command in a terminal of its own, as a user's shell starts it."""

    def __init__(
        self, command: Sequence[str], folder: Path, env: dict[str, str]
    ) -> None:
        self.pid, self._ours = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], list(command), env)
        self._shown = bytearray()
        self._closed = threading.Event()
        # Whoever writes must not have to wait until somebody reads.
        self._reader = threading.Thread(target=self._keep, daemon=True)
        self._reader.start()

    def _keep(self) -> None:
        while not self._closed.is_set():
            if select.select([self._ours], [], [], 0.05)[0]:
                self._shown += (block := _read(self._ours))
                if not block:
                    break

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def close(self) -> None:
        """Close the window: the kernel hangs up on all that it showed."""
        self._closed.set()
        self._reader.join()
        os.close(self._ours)

    def wait(self, seconds: float = 60) -> int:
        """Wait for the command, and return what `subprocess` would."""
        deadline = time.monotonic() + seconds
        while (ended := os.waitpid(self.pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, f"it goes on: {self.shown}"
            time.sleep(0.05)
        return os.waitstatus_to_exitcode(ended[1])

    @property
    def shown(self) -> str:
        """What it has shown so far."""
        return self._shown.decode()

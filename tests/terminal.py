"""Commands in a terminal: what they show there, and keys that are pressed."""

import os
import pty
import select
import termios
import threading
import time
from pathlib import Path

ROWS_AND_COLUMNS = (24, 80)
SWITCHES = ("TQDM_DISABLE", "DISABLE_PROGRESS_BARS")


def in_terminal(command):
    """Run a command with a terminal for its errors; return what it showed there."""
    # Tests that import trainers have switched bars off for themselves.
    kept = {k: v for k, v in os.environ.items() if not k.endswith(SWITCHES)}
    silent = ["sh", "-c", 'exec "$@" >/dev/null', "sh", *command]
    terminal = Terminal(silent, Path.cwd(), kept)
    assert terminal.wait(600) == 0, terminal.shown
    return terminal.shown


def _read(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the last writer has gone
        return b""


class Terminal:
    """A command in a terminal of its own, as a user's shell starts it."""

    def __init__(self, command, folder, env):
        self.pid, self._ours = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], list(command), env)
        termios.tcsetwinsize(self._ours, ROWS_AND_COLUMNS)
        self._shown = bytearray()
        self._closed = threading.Event()
        # Whoever writes must not have to wait until somebody reads.
        self._reader = threading.Thread(target=self._keep, daemon=True)
        self._reader.start()

    def _keep(self):
        while not self._closed.is_set():
            if select.select([self._ours], [], [], 0.05)[0]:
                self._shown += (block := _read(self._ours))
                if not block:
                    break

    def type(self, text):
        """Press keys."""
        os.write(self._ours, text.encode())

    def close(self):
        """Close the window: the kernel hangs up on all that it showed."""
        self._closed.set()
        self._reader.join()
        os.close(self._ours)

    def wait(self, seconds=60):
        """Wait for the command, and return what `subprocess` would."""
        deadline = time.monotonic() + seconds
        while (ended := os.waitpid(self.pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < deadline, f"it goes on: {self.shown}"
            time.sleep(0.05)
        # What it has said last may still be on its way.
        self._reader.join(1)
        return os.waitstatus_to_exitcode(ended[1])

    @property
    def shown(self):
        """What it has shown so far."""
        return self._shown.decode()

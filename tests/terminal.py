"""What a command shows in a terminal."""

import os
import pty
import subprocess
import termios
from collections.abc import Sequence

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

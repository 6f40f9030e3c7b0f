"""Tasks whose metric runs what a model wrote: the user's consent, and the running.

This is no sandbox. A program runs as the user, in an interpreter and a folder of its
own, without the environment's variables (tokens and keys among them), bounded in time,
memory and file size, and without the calls by which a mistake would end, start or
delete what is not its own (`guarded.py`). Who wants more runs the job in a container.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safegrid.capability.guarded import PASSED
from safegrid.consent import RUN_CODE, allowed
from safegrid.errors import ConfigError

GUARDED = Path(__file__).with_name("guarded.py")
METRIC = "from safegrid.capability.code_eval import CodeEval\n"
SECONDS = 3.0
"""The time that Hugging Face's `code_eval` gives a program."""


def check_consent(tasks: Mapping[str, Any]) -> None:
    """Refuse tasks that would run a model's code, but for those that the user names.

    Args:
        tasks: lm-evaluation-harness's own, by name.

    Raises:
        ConfigError: a task runs code, and the user has not allowed it.
    """
    refused = [
        name
        for name, task in tasks.items()
        if getattr(task, "UNSAFE_CODE", False) and not allowed(RUN_CODE, name)
    ]
    if refused:
        names = ",".join(refused)
        raise ConfigError(
            f"scoring {names} runs Python code that the model wrote, as you, on this"
            f" machine; if you want that set {RUN_CODE}={names}, else take it out of"
            " the suite's tasks"
        )


def write_metric(folder: Path) -> None:
    """Put our `code_eval` where `evaluate` finds it if this is the current folder."""
    path = folder / "code_eval/code_eval.py"
    path.parent.mkdir()
    path.write_text(METRIC, encoding="utf-8")


def passes(program: str, seconds: float = SECONDS) -> bool:
    """Whether a program runs to its end: no error, no early exit, in time.

    Args:
        program: an answer and the tests that call it.
        seconds: what it may take.
    """
    with TemporaryDirectory(prefix="safegrid-code-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(GUARDED)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            process.communicate(program.encode(errors="replace"), timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        finally:
            _end(process)
    return process.returncode == PASSED


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it may have started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        # All have ended by themselves.
        return
    finally:
        process.wait()

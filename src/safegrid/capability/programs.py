"""Tasks whose metric runs what a model wrote: the user's consent, and the running.

A program runs in an interpreter of its own, without the environment's variables
(tokens and keys among them), bounded in time, file size and memory (of one process and
of all), and without the calls by which a mistake would end, start or delete what is not
its own (`guarded.py`).
Where a sandbox works it runs in one, which holds also what means harm (`sandbox.py`);
where none does, the user is told before and in the log.
"""

import functools
import logging
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory, TemporaryFile
from typing import Any

import psutil

from safegrid.capability.guarded import PASSED, STARTED
from safegrid.capability.sandbox import (
    BWRAP,
    GUARDED,
    NONE,
    PYTHON,
    UNSHARE,
    Sandbox,
    environment,
)
from safegrid.core.consent import RUN_CODE, allowed
from safegrid.core.errors import ConfigError, SafegridError

log = logging.getLogger(__name__)

METRIC = "from safegrid.capability.code_eval import CodeEval\n"
SECONDS = 3.0
"""The time that Hugging Face's `code_eval` gives a program."""
START_SECONDS = 60.0
"""The time that an interpreter has to start; a slow one is no fault of the program."""
LOOK_SECONDS = 0.2
MEMORY = 4 * 2**30
"""Most resident bytes of all processes of a program together; each has a limit too."""
Process = subprocess.Popen[bytes]


class NotStartedError(SafegridError):
    """A program could not even begin, so nothing is known of it."""


def coding(tasks: Mapping[str, Any]) -> list[str]:
    """Return the names of the harness's tasks whose metric runs what a model wrote."""
    return [n for n, task in tasks.items() if getattr(task, "UNSAFE_CODE", False)]


def check_consent(asked: Mapping[str, list[str]]) -> None:
    """Refuse tasks that would run a model's code, but for those that the user names.

    `asked` are the tasks that run code of each name in the suite; either may be named.

    Raises:
        ConfigError: a task runs code, and the user has not allowed it.
    """
    names = [name for tasks in asked.values() for name in tasks]
    if not names:
        return
    sandbox, failed = find_sandbox()
    refused = ",".join(
        name
        for name, tasks in asked.items()
        if not allowed(RUN_CODE, name)
        and not all(allowed(RUN_CODE, task) for task in tasks)
    )
    if refused:
        raise ConfigError(
            f"scoring {refused} runs Python code that the model wrote, on this machine,"
            f" {sandbox.holds}{failed}. If you want that set {RUN_CODE}={refused}, else"
            " take it out of the suite's tasks"
        )
    level = logging.WARNING if sandbox is NONE else logging.INFO
    log.log(level, "programs of %s run %s%s", ",".join(names), sandbox.holds, failed)


def recorded(tasks: Mapping[str, Any]) -> dict[str, str]:
    """Return what a manifest says of the programs that tasks ran, if they ran any."""
    return {"sandbox": find_sandbox()[0].name} if coding(tasks) else {}


def write_metric(folder: Path) -> None:
    """Put our `code_eval` where `evaluate` finds it if this is the current folder."""
    path = folder / "code_eval/code_eval.py"
    path.parent.mkdir()
    path.write_text(METRIC, encoding="utf-8")


@functools.cache
def find_sandbox() -> tuple[Sandbox, str]:
    """Return the sandbox that works here, and why those before it do not.

    In one that works a program runs, and sees no file outside of it.

    Raises:
        NotStartedError: programs do not even run without one.
    """
    program, failed = "import hashlib, math, random, os", []
    with NamedTemporaryFile(prefix="safegrid-outside-") as outside:
        closed = f"{program}\nassert not os.path.exists({outside.name!r})"
        for sandbox in (BWRAP, UNSHARE):
            try:
                if passes(closed, sandbox):
                    return sandbox, ""
                failed.append(f"{sandbox.name} does not close in")
            except (NotStartedError, OSError) as error:
                failed.append(f"{sandbox.name}: {error}")
    if not passes(program, NONE):
        raise NotStartedError(f"{PYTHON[0]} -I imports no hashlib, math and random")
    return NONE, f" (no sandbox works here: {'; '.join(failed)})"


def passes(program: str, sandbox: Sandbox, seconds: float = SECONDS) -> bool:
    """Say whether a program runs to its end: no error, no early exit, in time.

    Its `seconds` begin once Python has started.

    Raises:
        NotStartedError: it could not begin.
    """
    with TemporaryFile() as source, TemporaryDirectory(prefix="safegrid-code-") as room:
        source.write(program.encode(errors="replace"))
        source.seek(0)
        process = subprocess.Popen(
            sandbox.around([*PYTHON, str(GUARDED)], room),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=room,
            env=environment(),
            start_new_session=True,
        )
        with process:
            try:
                _wait_for_start(process)
                return _passed(process, seconds)
            finally:
                # And with it whatever it has started, which may have ended by itself.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)


def _passed(process: Process, seconds: float) -> bool:
    """Say whether a program passed in time, and all of its processes within MEMORY."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        try:
            return process.wait(min(left, LOOK_SECONDS)) == PASSED
        except subprocess.TimeoutExpired:
            if _memory(process) > MEMORY:
                return False
    return False


def _memory(process: Process) -> int:
    """Return the resident bytes of a program and of whatever it has started."""
    total = 0
    top = psutil.Process(process.pid)
    for member in (top, *top.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += member.memory_info().rss
    return total


def _wait_for_start(process: Process) -> None:
    assert process.stdout is not None, "it was started with a pipe"
    deadline, said = time.monotonic() + START_SECONDS, b""
    while not said.endswith(STARTED.encode()):
        left = max(0.0, deadline - time.monotonic())
        ready = select.select([process.stdout], [], [], left)[0]
        part = os.read(process.stdout.fileno(), 4096) if ready else b""
        if not part:
            why = said.decode(errors="replace").strip() or "without a word"
            late = "ended" if ready else f"not there after {START_SECONDS:g} s"
            raise NotStartedError(f"a program's process {late}: {why[-300:]}")
        said += part

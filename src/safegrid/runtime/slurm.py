"""SLURM's commands, with a timeout and readable errors; jobs that a dead run left."""

import shutil
import subprocess
import time
from collections.abc import Mapping
from getpass import getuser
from pathlib import Path

from safegrid.core.errors import SafegridError

SECONDS = 30
# The executor writes there; without it no run of this folder used SLURM.
LOGS = Path(".snakemake/slurm_logs")
# As profiles/slurm names its jobs.
PREFIX = "safegrid_"
TIMEOUT_SECONDS = 60
PATIENCE_SECONDS = 120
WAITING_OR_RUNNING = "PENDING,RUNNING,SUSPENDED,CONFIGURING,COMPLETING"


def ask(
    *command: str, env: Mapping[str, str] | None = None, seconds: int = SECONDS
) -> str:
    """Run a command of SLURM and return what it printed.

    Raises:
        SafegridError: it is not installed, fails, or gives no answer in time.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=env,
        )
    except FileNotFoundError:
        raise SafegridError(f"{command[0]} is not installed here") from None
    except subprocess.TimeoutExpired:
        raise SafegridError(f"{command[0]}: no answer in {seconds} s") from None
    if done.returncode:
        told = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise SafegridError(f"{' '.join(command[:3])}: {told}")
    return done.stdout


def cancel_jobs(*, wait: bool = True) -> list[str]:
    """Cancel the jobs that runs in this folder submitted, and return their numbers.

    Whoever calls knows that no run is at work in the folder: its jobs would write into
    the results of the run that comes next. With `wait` they are gone when it returns.

    Raises:
        SafegridError: SLURM was used here, and is not to be found or does not answer.
    """
    if not LOGS.is_dir():
        return []
    if shutil.which("squeue") is None:
        raise SafegridError(
            "a run in this folder used SLURM, whose commands are not here now: load"
            " them, or go to where they are, so that jobs it left can be cancelled. If"
            f" there are none: rm -r {LOGS}"
        )
    form = ["--noheader", "--format=%i|%j|%Z", f"--states={WAITING_OR_RUNNING}"]
    queue = _ask("squeue", "--user", getuser(), *form)
    found = [line.split("|", 2) for line in queue.splitlines()]
    numbers = [
        number
        for number, name, where in found
        if name.startswith(PREFIX) and Path(where) == Path.cwd()
    ]
    if numbers:
        _ask("scancel", *numbers)
        if wait:
            _wait_until_gone(numbers)
    return numbers


def _wait_until_gone(numbers: list[str]) -> None:
    # Asked to end, a job may still write for as long as the site lets it.
    for _ in range(PATIENCE_SECONDS):
        left = _ask("squeue", "--noheader", "--format=%i", "--user", getuser())
        if not set(numbers) & set(left.split()):
            return
        time.sleep(1)
    raise SafegridError(
        f"SLURM jobs {', '.join(numbers)} were cancelled and are still in the queue"
        f" after {PATIENCE_SECONDS} s; start again when `squeue` shows them no more"
    )


def _ask(*command: str) -> str:
    try:
        return ask(*command, seconds=TIMEOUT_SECONDS)
    except SafegridError as error:
        raise SafegridError(
            f"a run in this folder used SLURM, which does not answer now ({error})."
            " Look into its queue where it answers, and cancel what is left: jobs named"
            f" {PREFIX}..."
        ) from None

"""`make study`: run a study to its report and tell the user what to expect and find."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from safegrid.errors import SafegridError
from safegrid.runs import RUN, write_owner
from safegrid.workflow.estimate import describe, planned_jobs
from safegrid.workflow.lock import clear_crashed_run


def run_study(study: str, cores: int) -> int:
    """Run a study as plain `snakemake` would, healing what a crash left behind.

    Returns:
        Snakemake's exit status; non-zero too where only a partial report was made.

    Raises:
        SafegridError: the folder is locked by a run that may still be at work.
    """
    if not Path("Snakefile").is_file():
        raise SafegridError("no Snakefile here: run this from the repository's root")
    if clear_crashed_run():
        _snakemake(study, cores, ["--unlock", "--quiet"])
    plan = _snakemake(study, cores, ["--dry-run", "--quiet", "rules"], capture=True)
    if plan.returncode:
        print(plan.stdout + plan.stderr, file=sys.stderr)
        return plan.returncode
    jobs = planned_jobs(plan.stdout)
    if not jobs:
        print(f"study {study}: nothing to do, every result is up to date")
        _say_where(study)
        return 0
    print(describe(study, jobs, cores), flush=True)
    status = _run(study, cores)
    if status:
        return _tell_of_failure(study, cores, status)
    _say_where(study)
    return 0


def _run(study: str, cores: int) -> int:
    """Run the study; return its exit status as a shell would give it."""
    run = uuid.uuid4().hex
    process = subprocess.Popen(_command(study, cores), env={**os.environ, RUN: run})
    # The workflow writes the same when it starts its first job. Before that it takes
    # the lock, and a kill in between must not leave a lock without an owner.
    write_owner(run, process.pid)
    interrupted = False
    while True:
        try:
            status = process.wait()
            break
        except KeyboardInterrupt:
            # Snakemake got it too; it ends its jobs and takes off its lock.
            interrupted = True
    if status < 0:
        return 128 - status
    return 128 + signal.SIGINT if interrupted and status else status


def _snakemake(
    study: str, cores: int, options: Sequence[str], capture: bool = False
) -> subprocess.CompletedProcess[str]:
    command = [*_command(study, cores), *options]
    return subprocess.run(command, capture_output=capture, text=True, check=False)


def _command(study: str, cores: int) -> list[str]:
    return ["snakemake", "--cores", str(cores), "--config", f"study={study}"]


def _tell_of_failure(study: str, cores: int, status: int) -> int:
    """Build what the finished cells allow and say that it is not the whole."""
    if status > 128:
        print(
            f"study {study}: Snakemake was ended by signal {status - 128}; start again"
            " to go on: finished cells are kept",
            file=sys.stderr,
        )
        return status
    partial = _snakemake(study, cores, ["--", "report_partial"])
    if partial.returncode == 0:
        print(
            f"study {study}: some jobs failed (their logs are named above); what the"
            f" finished cells allow is in results/{study}/partial/, blanks with their"
            " reason. Mend the cause and start again: finished cells are kept."
        )
    return status


def _say_where(study: str) -> None:
    root = f"results/{study}"
    print(
        f"tables:  {root}/tables/\nfigures: {root}/figures/\n"
        f"report:  {root}/report/report.html"
    )

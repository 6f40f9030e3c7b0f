"""`make study`: run a study to its report and tell the user what to expect and find."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

from safegrid.errors import SafegridError
from safegrid.faults import check_writable
from safegrid.plans import parse_plan
from safegrid.prerequisites.preflight import preflight
from safegrid.runs import RUN, write_owner
from safegrid.upstreams import check_folder
from safegrid.workflow.estimate import describe, planned_jobs
from safegrid.workflow.failures import described, failures, newest_log
from safegrid.workflow.lock import clear_crashed_run

# The rules that use the network.
FETCHING = {"fetch_source", "fetch_base", "fetch_judge"}


def run_study(study: str, cores: int, sources_dir: str | None = None) -> int:
    """Run a study as plain `snakemake` would, healing what a crash left behind.

    All that it needs from outside is listed and looked at before anything starts, and
    what comes from the network is fetched first.

    Args:
        study: a file of config/studies.
        cores: jobs at a time.
        sources_dir: the folder that `path` of a source, a base or a judge is below.

    Returns:
        Snakemake's exit status; non-zero too where only a partial report was made.

    Raises:
        SafegridError: the folder is locked by a run that may still be at work, or
            nothing can be written there; or `sources_dir` is no folder to Snakemake.
    """
    if not Path("Snakefile").is_file():
        raise SafegridError("no Snakefile here: run this from the repository's root")
    check_folder(sources_dir)
    command = _command(study, cores, sources_dir)
    if clear_crashed_run():
        _snakemake(command, ["--unlock", "--quiet"])
    plan = _snakemake(command, ["--dry-run"], capture=True)
    if plan.returncode:
        print(plan.stdout + plan.stderr, file=sys.stderr)
        return plan.returncode
    jobs = planned_jobs(plan.stdout)
    if not jobs:
        print(f"study {study}: nothing to do, every result is up to date")
        _say_where(study)
        return 0
    check_writable()
    print(describe(study, jobs, cores), flush=True)
    made = parse_plan(plan.stdout, "the plan of `snakemake --dry-run`")
    if preflight(study, sources_dir, made).returncode:
        return 1
    if fetched := [file for file, job in made.items() if job.rule in FETCHING]:
        status = _run([*command, "--", *fetched])
        if status:
            return _say_failed(study, status)
    status = _run(command)
    if status:
        return _tell_of_failure(study, command, status)
    _say_where(study)
    return 0


def _run(command: Sequence[str]) -> int:
    """Run the study; return its exit status as a shell would give it."""
    run = uuid.uuid4().hex
    process = subprocess.Popen(command, env={**os.environ, RUN: run})
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
    command: Sequence[str], options: Sequence[str], capture: bool = False
) -> subprocess.CompletedProcess[str]:
    line = [*command, *options]
    return subprocess.run(line, capture_output=capture, text=True, check=False)


def _command(study: str, cores: int, sources_dir: str | None) -> list[str]:
    command = ["snakemake", "--cores", str(cores), "--config", f"study={study}"]
    return command if sources_dir is None else [*command, f"sources_dir={sources_dir}"]


def _tell_of_failure(study: str, command: Sequence[str], status: int) -> int:
    """Build what the finished cells allow and say that it is not the whole."""
    if status > 128:
        return _say_failed(study, status)
    log = newest_log()
    partial = _snakemake(command, ["--", "report_partial"])
    # Last, because what was said above scrolls away and logs of machines are cut.
    _say_failed(study, status, log)
    if partial.returncode == 0:
        print(
            f"what the finished cells allow is in results/{study}/partial/, blanks with"
            " their reason. Mend the cause and start again: finished cells are kept."
        )
    return status


def _say_failed(study: str, status: int, log: Path | None = None) -> int:
    """Say which jobs failed, by a run's log or the newest one; return its status."""
    if status > 128:
        print(
            f"study {study}: Snakemake was ended by signal {status - 128}; start again"
            " to go on: finished cells are kept",
            file=sys.stderr,
        )
        return status
    log = log or newest_log()
    found = [] if log is None else failures(log)
    print(f"study {study}: failed jobs: {len(found)}\n{described(found)}")
    return status


def _say_where(study: str) -> None:
    root = f"results/{study}"
    print(
        f"tables:  {root}/tables/\nfigures: {root}/figures/\n"
        f"report:  {root}/report/report.html"
    )

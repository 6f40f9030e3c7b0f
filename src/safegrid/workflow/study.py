"""`make study`: run a study to its report and tell the user what to expect and find."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from safegrid.errors import SafegridError
from safegrid.faults import check_writable
from safegrid.plans import parse_plan
from safegrid.prerequisites.preflight import preflight_command
from safegrid.runs import SNAKEMAKE, write_owner
from safegrid.upstreams import check_folder
from safegrid.workflow.cluster import cancel_jobs
from safegrid.workflow.estimate import describe, planned_jobs
from safegrid.workflow.failures import described, failures, newest_log
from safegrid.workflow.lock import clear_crashed_run
from safegrid.workflow.supervisor import RunEndedError, Supervisor

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

    A signal ends it with all that it started.

    Returns:
        Snakemake's exit status, non-zero too where only a partial report was made; or
        that of a process that the signal ended.

    Raises:
        SafegridError: the folder is locked by a run that may still be at work, or
            nothing can be written there; or `sources_dir` is no folder to Snakemake.
    """
    if not Path("Snakefile").is_file():
        raise SafegridError("no Snakefile here: run this from the repository's root")
    check_folder(sources_dir)
    try:
        with Supervisor() as supervisor:
            return _run(supervisor, study, cores, sources_dir)
    except RunEndedError as end:
        _tell_of_end(study, end)
        return end.status


def _run(
    supervisor: Supervisor, study: str, cores: int, sources_dir: str | None
) -> int:
    command = _command(study, cores, sources_dir)
    if clear_crashed_run():
        supervisor.call([*command, "--unlock", "--quiet"])
    plan = supervisor.call([*command, "--dry-run"], capture=True)
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
    with preflight_command(study, sources_dir, made) as preflight:
        if supervisor.call(preflight).returncode:
            return 1
    # The workflow writes the same when it starts its first job. Before that it takes
    # the lock, and a kill in between must not leave a lock without an owner.
    write_owner(supervisor.run, os.getpid())
    fetched = [file for file, job in made.items() if job.rule in FETCHING]
    if fetched and (status := supervisor.call([*command, "--", *fetched]).returncode):
        _tell_of_failure(study)
        return status
    status = supervisor.call(command).returncode
    if status:
        _make_partial_report(supervisor, study, command)
    else:
        _say_where(study)
    return status


def _command(study: str, cores: int, sources_dir: str | None) -> list[str]:
    command = [*SNAKEMAKE, "--cores", str(cores), "--config", f"study={study}"]
    return command if sources_dir is None else [*command, f"sources_dir={sources_dir}"]


def _make_partial_report(
    supervisor: Supervisor, study: str, command: Sequence[str]
) -> None:
    """Build what the finished cells allow and say that it is not the whole."""
    log = newest_log()
    partial = supervisor.call([*command, "--", "report_partial"])
    # Last, because what was said above scrolls away and logs of machines are cut.
    _tell_of_failure(study, log)
    if partial.returncode == 0:
        print(
            f"what the finished cells allow is in results/{study}/partial/, blanks with"
            " their reason. Mend the cause and start again: finished cells are kept."
        )


def _tell_of_failure(study: str, log: Path | None = None) -> None:
    """Say which jobs failed, by a run's log or the newest one."""
    log = log or newest_log()
    found = [] if log is None else failures(log)
    print(f"study {study}: failed jobs: {len(found)}\n{described(found)}")


def _tell_of_end(study: str, end: RunEndedError) -> None:
    """Cancel what Snakemake may have left in a queue, and say what is kept."""
    said = f"{end}; start again to go on: finished cells, answers and checkpoints are"
    said += " kept"
    try:
        cancelled = cancel_jobs(Path(), wait=False)
    except SafegridError as error:
        said += f"\n{error}"
    else:
        said += f"; cancelled SLURM jobs: {', '.join(cancelled)}" if cancelled else ""
    # A closed terminal takes no more words.
    with suppress(OSError):
        print(f"study {study}: {said}", file=sys.stderr, flush=True)


def _say_where(study: str) -> None:
    root = f"results/{study}"
    print(
        f"tables:  {root}/tables/\nfigures: {root}/figures/\n"
        f"report:  {root}/report/report.html"
    )

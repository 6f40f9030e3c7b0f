"""`make study`: run a study to its report and tell the user what to expect and find."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from safegrid.errors import SafegridError
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
    status = _snakemake(study, cores, []).returncode
    if status:
        return _tell_of_failure(study, cores, status)
    _say_where(study)
    return 0


def _snakemake(
    study: str, cores: int, options: Sequence[str], capture: bool = False
) -> subprocess.CompletedProcess[str]:
    command = ["snakemake", "--cores", str(cores), "--config", f"study={study}"]
    return subprocess.run(
        [*command, *options], capture_output=capture, text=True, check=False
    )


def _tell_of_failure(study: str, cores: int, status: int) -> int:
    """Build what the finished cells allow and say that it is not the whole."""
    if status < 0:
        print(
            f"study {study}: Snakemake was ended by signal {-status}; start again to go"
            " on: finished cells are kept",
            file=sys.stderr,
        )
        return 128 - status
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

"""The status command of the SLURM executor, checked: does it see jobs end?

What is looked for are ways to wait for ever. Which command asks for states is decided
by the plugin at every poll; `command_used` decides as it does (plugin 2.8,
`Executor.check_active_jobs`), and its own queries are put to the site.
"""

import csv
import re
import shlex
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from safegrid.core.errors import SafegridError
from safegrid.doctor.findings import Finding, fail, ok, skip, warn
from safegrid.doctor.profile import Profile
from safegrid.doctor.site import Site
from safegrid.runtime.slurm import ask

SUBJECT = "status command"
LONGEST_POLL = 180
"""Seconds between two polls of the plugin when nothing has ended for long."""
LEAST_AGE = LONGEST_POLL + 60
"""With this MinJobAge no job is forgotten between two polls, slow ones included."""
DAYS = 30
ACCOUNTED_WITHIN = 20.0
PREFIX = re.compile(r"[A-Za-z0-9_-]{0,50}")
REMEDY = (
    'put a wrapper named sacct first in PATH that calls the real one with "$@" and'
    " pipes it through sed 's/CANCELLED by [0-9]*/CANCELLED/', or set"
    " slurm-status-command: squeue"
)


def look_at(profile: Profile, site: Site, line: list[str] | None) -> Iterator[Finding]:
    """Check which command tells jobs' states, and the traps in it.

    Args:
        profile: under which jobs are submitted.
        site: what the cluster has.
        line: a call of sbatch for a job that is held and cancelled, to see how that
            is told; none where nothing may be submitted.
    """
    from snakemake_executor_plugin_slurm.job_status_query import (
        get_min_job_age,
        is_query_tool_available,
    )

    settings, age = profile.settings(), get_min_job_age()
    first = settings.init_seconds_before_status_checks
    sacct = is_query_tool_available("sacct")
    used = command_used(settings.status_command, age, first, sacct)
    yield from _prefix(profile, settings.jobname_prefix or "")
    if used == "sacct":
        fell = fallen_back(settings.status_command, age, first)
        yield from _sacct(profile, site, fell, line)
    else:
        yield _squeue(settings.status_command, age)


def command_used(asked: str, age: int | None, first: int, sacct: bool) -> str:
    """Return the command that the plugin really uses.

    Args:
        asked: `slurm-status-command`, or what the plugin chose without it.
        age: MinJobAge in seconds.
        first: `slurm-init-seconds-before-status-checks`.
        sacct: whether a program of that name is there.
    """
    if asked == "squeue" and sacct and (age is None or age < 3 * first):
        return "sacct"
    return asked if sacct else "squeue"


def fallen_back(asked: str, age: int | None, first: int) -> str:
    """Say why sacct is used although squeue was asked for; else nothing."""
    if asked != "squeue":
        return ""
    told = (
        "cannot be read (scontrol show config)"
        if age is None
        else f"is {age} s, less than three times"
        f" slurm-init-seconds-before-status-checks ({first})"
    )
    return (
        f"the profile says squeue, but MinJobAge {told}, so the plugin takes sacct"
        " instead: "
    )


def forgets(age: int | None) -> str | None:
    """Say what happens under squeue when ended jobs are forgotten soon, or None."""
    if age is None:
        return "MinJobAge cannot be read (scontrol show config)"
    if age < LEAST_AGE:
        return (
            f"MinJobAge is {age} s, but polls become up to {LONGEST_POLL} s apart: a"
            " job that ends and is forgotten between two of them is waited for FOR"
            f" EVER; MinJobAge must be at least {LEAST_AGE} (ask the administrator)"
        )
    return None


def cancelled(states: str) -> list[str]:
    """Return how the cancelled jobs among `number|state` lines are told."""
    rows = csv.reader(states.splitlines(), delimiter="|")
    return [row[1] for row in rows if len(row) > 1 and row[1].startswith("CANCELLED")]


def _prefix(profile: Profile, prefix: str) -> Iterator[Finding]:
    if PREFIX.fullmatch(prefix):
        named = f"jobs are named {prefix}_..." if prefix else "jobs have no prefix"
        yield ok("job names", named)
        return
    yield fail(
        "job names",
        f"slurm-jobname-prefix is {prefix!r} in {profile.file}: up to 50 letters,"
        " digits, _ and - are allowed",
    )


def _squeue(asked: str, age: int | None) -> Finding:
    from snakemake_executor_plugin_slurm.job_status_query import (
        query_job_status_squeue,
    )

    try:
        ask(*shlex.split(query_job_status_squeue("safegrid-doctor")))
    except SafegridError as error:
        return fail(SUBJECT, f"squeue does not answer the plugin's question: {error}")
    used = "squeue" if asked == "squeue" else f"squeue, since there is no {asked} here"
    if told := forgets(age):
        return fail(SUBJECT, f"{used}, and {told}; or use sacct if it works")
    return ok(SUBJECT, f"{used}, and ended jobs are remembered for {age} s")


def _sacct(
    profile: Profile, site: Site, fell: str, line: list[str] | None
) -> Iterator[Finding]:
    from snakemake_executor_plugin_slurm.job_status_query import query_job_status_sacct

    if site.setting("AccountingStorageType") in ("", "accounting_storage/none"):
        yield fail(
            SUBJECT,
            f"{fell}sacct is used, but this site keeps no accounts"
            " (AccountingStorageType is none): it never tells of any job, and Snakemake"
            " waits FOR EVER for jobs that have ended; set slurm-status-command: squeue"
            " and slurm-init-seconds-before-status-checks to a third of MinJobAge at"
            f" most, in {profile.file}",
        )
        return
    try:
        ask(*shlex.split(query_job_status_sacct("safegrid-doctor")))
    except SafegridError as error:
        yield fail(SUBJECT, f"{fell}sacct is used, but does not answer: {error}")
        return
    yield ok(SUBJECT, f"{fell}sacct, and it answers")
    yield _cancelled(line)


def _cancelled(line: list[str] | None) -> Finding:
    """See how sacct tells of a cancelled job: of an old one, else of one for this."""
    states = cancelled(_cancelled_before())
    if not states and line is not None:
        states = cancelled(_cancel_one(line))
    if not states:
        return (skip if line is None else warn)(
            "cancelled jobs",
            "no cancelled job to look at; if sacct tells `CANCELLED by UID`, as it does"
            f" unless wrapped, Snakemake waits for such a job FOR EVER: {REMEDY}",
        )
    if odd := [state for state in states if state != "CANCELLED"]:
        return fail(
            "cancelled jobs",
            f"sacct tells {odd[0]!r} of a cancelled job and Snakemake knows"
            f" 'CANCELLED' only: it waits for such a job FOR EVER; {REMEDY}",
        )
    return ok("cancelled jobs", "sacct tells CANCELLED, as Snakemake expects")


def _cancelled_before() -> str:
    since = f"{datetime.now() - timedelta(days=DAYS):%Y-%m-%dT%H:%M}"
    query = ["sacct", "-X", "--parsable2", "--noheader", "--format=JobIdRaw,State"]
    span = ["--starttime", since, "--endtime", "now", "--state", "CANCELLED"]
    return ask(*query, *span)


def _cancel_one(line: list[str]) -> str:
    """Submit a job that is held, cancel it, and return what sacct tells of it."""
    job = ask(*line, "--hold", "--wrap", "true").split(";")[0].strip()
    ask("scancel", job)
    query = ["sacct", "-X", "--parsable2", "--noheader", "--format=JobIdRaw,State"]
    deadline = time.monotonic() + ACCOUNTED_WITHIN
    while "CANCELLED" not in (told := ask(*query, "-j", job)):
        if time.monotonic() > deadline:
            return ""
        time.sleep(1)
    return told

"""The status command of the SLURM executor, checked: does it see jobs end?

What is looked for are ways to wait for ever. Which command asks for states is decided
by the plugin at every poll; `command_used` decides as it does (plugin 2.8,
`Executor.check_active_jobs`), and its own queries are put to the site.
"""

import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta

from safegrid.core.errors import SafegridError
from safegrid.doctor import Finding, fail, ok, warn
from safegrid.doctor.cluster import Site
from safegrid.doctor.profile import Profile
from safegrid.runtime.slurm import ask

SUBJECT = "status command"
LONGEST_POLL = 180
"""Seconds between two polls of the plugin when nothing has ended for long."""
LEAST_AGE = LONGEST_POLL + 60
"""With this MinJobAge no job is forgotten between two polls, slow ones included."""
DAYS = 30
REMEDY = (
    'put a wrapper named sacct first in PATH that calls the real one with "$@" and'
    " pipes it through sed 's/CANCELLED by [0-9]*/CANCELLED/', or set"
    " slurm-status-command: squeue"
)


def look_at(profile: Profile, site: Site) -> Iterator[Finding]:
    """Check which command tells jobs' states, and the traps in it."""
    from snakemake_executor_plugin_slurm import job_status_query as plugin

    settings, age = profile.settings(), plugin.get_min_job_age()
    asked, first = settings.status_command, settings.init_seconds_before_status_checks
    sacct = plugin.is_query_tool_available("sacct")
    if command_used(asked, age, first, sacct) == "squeue":
        yield _squeue(asked, age)
        return
    fell = ""
    if asked == "squeue":
        told = f"is {age} s, less than three times"
        told += f" slurm-init-seconds-before-status-checks ({first})"
        if age is None:
            told = "cannot be read (scontrol show config)"
        fell = f"the profile says squeue, but MinJobAge {told}, so the plugin takes"
        fell += " sacct instead: "
    yield from _sacct(profile, site, fell)


def command_used(asked: str, age: int | None, first: int, sacct: bool) -> str:
    """Return the command that the plugin really uses.

    `asked` is `slurm-status-command`, or what the plugin chose without it; `age` is
    MinJobAge and `first` `slurm-init-seconds-before-status-checks`, in seconds; `sacct`
    says whether there is such a program.
    """
    if asked == "squeue" and sacct and (age is None or age < 3 * first):
        return "sacct"
    return asked if sacct else "squeue"


def _squeue(asked: str, age: int | None) -> Finding:
    from snakemake_executor_plugin_slurm.job_status_query import query_job_status_squeue

    try:
        ask(*shlex.split(query_job_status_squeue("safegrid-doctor")))
    except SafegridError as error:
        return fail(SUBJECT, f"squeue does not answer the plugin's question: {error}")
    used = "squeue" if asked == "squeue" else f"squeue, since there is no {asked} here"
    if age is None:
        told = "MinJobAge cannot be read (scontrol show config)"
    elif age < LEAST_AGE:
        told = (
            f"MinJobAge is {age} s, but polls become up to {LONGEST_POLL} s apart: a"
            " job that ends and is forgotten between two of them is waited for FOR"
            f" EVER; MinJobAge must be at least {LEAST_AGE} (ask the administrator)"
        )
    else:
        return ok(SUBJECT, f"{used}, and ended jobs are remembered for {age} s")
    return fail(SUBJECT, f"{used}, and {told}; or use sacct if it works")


def _sacct(profile: Profile, site: Site, fell: str) -> Iterator[Finding]:
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
    yield _cancelled()


def _cancelled() -> Finding:
    """See how sacct tells of the jobs that were cancelled in the last days."""
    since = f"{datetime.now() - timedelta(days=DAYS):%Y-%m-%dT%H:%M}"
    query = ["sacct", "-X", "--parsable2", "--noheader", "--format=State"]
    span = ["--starttime", since, "--endtime", "now", "--state", "CANCELLED"]
    states = {line for line in ask(*query, *span).splitlines() if line}
    if odd := states - {"CANCELLED"}:
        return fail(
            "cancelled jobs",
            f"sacct tells {min(odd)!r} of a cancelled job and Snakemake knows"
            f" 'CANCELLED' only: it waits for such a job FOR EVER; {REMEDY}",
        )
    if states:
        return ok("cancelled jobs", "sacct tells CANCELLED, as Snakemake expects")
    return warn(
        "cancelled jobs",
        "no cancelled job to look at; if sacct tells `CANCELLED by UID`, as it does"
        f" unless wrapped, Snakemake waits for such a job FOR EVER: {REMEDY}",
    )

"""Planned reruns and their reasons, from a dry run of Snakemake.

Snakemake itself knows every cause of a result, so no other judgement of what is current
is made here: a file counts when no job is planned that makes it.
"""

import logging
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safegrid.core.errors import DataError
from safegrid.core.seals import result_fault

log = logging.getLogger(__name__)

# The jobs of a group are indented below its name.
JOB = re.compile(
    r"Group job (\S+) \(jobs in lexicogr"
    r"|^( *)(?:local)?rule (\w+):\n((?:\2 {4}.*\n)+)",
    re.MULTILINE,
)
FIELD = re.compile(r"^(\w+): (.*)$", re.MULTILINE)
TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)
NOTHING = "Nothing to be done"
BLOCKS = ": Union of exclusive params"
"""From here on Snakemake repeats whole blocks of the configuration."""
LONGEST = 200
"""Letters of an error message, or of Snakemake's reason, that are repeated."""


@dataclass(frozen=True)
class PlannedJob:
    """A planned job.

    `logs` tell what its last run did, `reason` why it is planned in Snakemake's words,
    `group` the jobs that it is submitted with, and `resources` what it asks for, as it
    is printed.
    """

    rule: str
    inputs: list[str]
    outputs: list[str]
    logs: list[str]
    reason: str
    group: str | None = None
    resources: str = ""
    threads: int = 1


Plan = dict[str, PlannedJob]
"""The job that is to make a file, for every file that is to be made."""


def read_plan(path: Path) -> Plan:
    """Read what `snakemake --dry-run` printed, as `parse_plan` does."""
    return parse_plan(path.read_text(encoding="utf-8"), str(path))


def parse_plan(text: str, name: str) -> Plan:
    """Read the text of a plan; `name` is what a message calls it.

    Raises:
        DataError: Snakemake could not plan, or prints plans in another form.
    """
    jobs = parse_jobs(text)
    totals = {int(total) for total in TOTAL.findall(text)}
    if totals != {len(jobs)} and not (NOTHING in text and not jobs):
        raise DataError(
            f"{name}: expected the plan of a dry run of Snakemake, its jobs and their"
            f" total; read {len(jobs)} jobs, total {sorted(totals) or 'not told'}"
        )
    return {output: job for job in jobs for output in job.outputs}


def parse_jobs(text: str) -> list[PlannedJob]:
    """Read the jobs of a plan, in its order."""
    jobs, group = [], None
    for name, indent, rule, lines in JOB.findall(text):
        if name:
            group = name
            continue
        fields = dict(FIELD.findall(textwrap.dedent(lines)))
        inputs, outputs, logs = (
            fields[part].split(", ") if part in fields else []
            for part in ("input", "output", "log")
        )
        reason, asked = fields.get("reason", ""), fields.get("resources", "")
        own, threads = group if indent else None, int(fields.get("threads", 1))
        jobs.append(
            PlannedJob(rule, inputs, outputs, logs, reason, own, asked, threads)
        )
    return jobs


def why(file: str, plan: Plan) -> str | None:
    """Say why a file is not there or not current, or None where it is.

    A failure is told by the first job that failed on the way to the file.
    """
    if file not in plan:
        return None
    jobs = stack_of(file, plan)
    for job in jobs:
        for log in map(Path, job.logs):
            if (error := error_in(log)) is not None:
                return f"Failed in {job.rule}: {error} ({log})"
    if not Path(file).exists():
        return "Missing: not built yet."
    first = jobs[0]
    reason = _cut(first.reason.partition(BLOCKS)[0])
    return f"Stale: {first.outputs[0]} is to be made again: {reason}"


def current(files: Iterable[Path], plan: Plan) -> list[Path]:
    """Return the results that are there, undamaged, and that no job makes again."""
    found = []
    for file in files:
        if why(str(file), plan) is None:
            if (fault := result_fault(file)) is None:
                found.append(file)
            else:
                log.warning("%s %s; it is left out", file, fault)
    return found


def stack_of(file: str, plan: Plan) -> list[PlannedJob]:
    """Return the planned jobs on the way to a file, each behind what it needs."""
    jobs: list[PlannedJob] = []

    def add(file: str) -> None:
        job = plan[file]
        if job not in jobs:
            for needed in filter(plan.__contains__, job.inputs):
                add(needed)
            jobs.append(job)

    add(file)
    return jobs


def error_in(log: Path) -> str | None:
    """Return the error that a log ends with; None without one, or without a log."""
    if not log.is_file():
        return None
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("error: ")]
    if told:
        return _cut(told[-1].removeprefix("error: "))
    if any(line.startswith("Traceback") for line in lines):
        return _cut(lines[-1])
    return None


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " ..."

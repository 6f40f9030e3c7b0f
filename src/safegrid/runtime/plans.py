"""Planned reruns and their reasons, from a dry run of Snakemake.

Snakemake itself knows every cause of a result, so no other judgement of what is current
is made here: a file counts when no job is planned that makes it.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from safegrid.core.errors import DataError
from safegrid.core.seals import result_fault

log = logging.getLogger(__name__)

JOB = re.compile(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
FIELD = re.compile(r"^ {4}(\w+): (.*)$", re.MULTILINE)
TOTAL = re.compile(r"^total +(\d+)$", re.MULTILINE)
NOTHING = "Nothing to be done"
BLOCKS = ": Union of exclusive params"
"""From here on Snakemake repeats whole blocks of the configuration."""
LONGEST = 200
"""Letters of an error message, or of Snakemake's reason, that are repeated."""


@dataclass(frozen=True)
class Job:
    """A planned job.

    Attributes:
        rule: its rule.
        inputs: what it reads.
        outputs: what it makes.
        logs: where its last run told what it did.
        reason: why it is planned, in Snakemake's words.
    """

    rule: str
    inputs: list[str]
    outputs: list[str]
    logs: list[str]
    reason: str


Plan = dict[str, Job]
"""The job that is to make a file, for every file that is to be made."""


def read_plan(path: Path) -> Plan:
    """Read what `snakemake --dry-run` printed.

    Raises:
        DataError: Snakemake could not plan, or prints plans in another form.
    """
    return parse_plan(path.read_text(encoding="utf-8"), str(path))


def parse_plan(text: str, name: str) -> Plan:
    """Read the text of a plan; `name` is what a message calls it.

    Raises:
        DataError: as `read_plan`.
    """
    jobs = [_job(*found) for found in JOB.findall(text)]
    totals = {int(total) for total in TOTAL.findall(text)}
    if totals != {len(jobs)} and not (NOTHING in text and not jobs):
        raise DataError(
            f"{name}: expected the plan of a dry run of Snakemake, its jobs and their"
            f" total; read {len(jobs)} jobs, total {sorted(totals) or 'not told'}"
        )
    return {output: job for job in jobs for output in job.outputs}


def _job(rule: str, lines: str) -> Job:
    fields = dict(FIELD.findall(lines))
    inputs, outputs, logs = (
        fields[name].split(", ") if name in fields else []
        for name in ("input", "output", "log")
    )
    return Job(rule, inputs, outputs, logs, fields.get("reason", ""))


def why(file: str, plan: Plan) -> str | None:
    """Say why a file is not there or not current, or None where it is.

    A failure is told by the first job that failed on the way to the file.
    """
    if file not in plan:
        return None
    jobs = stack_of(file, plan)
    for job in jobs:
        for log in map(Path, job.logs):
            error = error_in(log)
            if error is not None:
                return f"Failed in {job.rule}: {error} ({log})"
    if not Path(file).exists():
        return "Missing: not built yet."
    first = jobs[0]
    reason = _cut(first.reason.partition(BLOCKS)[0])
    return f"Stale: {first.outputs[0]} is to be made again: {reason}"


def current(files: Iterable[Path], plan: Plan) -> list[Path]:
    """Return the results that are there, undamaged, and that no job makes again."""
    found = [file for file in files if why(str(file), plan) is None]
    faults = {file: result_fault(file) for file in found}
    for file, fault in faults.items():
        if fault is not None:
            log.warning("%s %s; it is left out", file, fault)
    return [file for file, fault in faults.items() if fault is None]


def stack_of(file: str, plan: Plan) -> list[Job]:
    """Return the planned jobs on the way to a file, each behind what it needs."""
    return _stack(file, plan, [])


def _stack(file: str, plan: Plan, jobs: list[Job]) -> list[Job]:
    job = plan[file]
    if job not in jobs:
        for needed in job.inputs:
            if needed in plan:
                _stack(needed, plan, jobs)
        jobs.append(job)
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

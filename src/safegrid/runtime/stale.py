"""Existing results that a run will make again, and why.

Snakemake decides what is stale. Its own list of reasons is a paragraph a job, and off
the screen when the first job starts; here it is a line for each rule and cause.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

MOST_LINES = 12
FOLLOWS = "what it is made of is made again"
NEWER = "newer input"


class Planned(NamedTuple):
    """A planned job, and why its results are made again; None where they are not there.

    Inputs are `newer` that changed after its results were made, by no job of this run.
    """

    rule: str
    cause: str | None
    newer: tuple[str, ...] = ()


def planned(dag: Any, exists: Callable[[Any], bool]) -> list[Planned]:
    """Return the jobs with outputs that Snakemake's graph of jobs is about to run."""
    return [
        planned_job(job.rule.name, dag.reason(job), dict(job.params.items()))
        if all(map(exists, job.output))
        else Planned(job.rule.name, None)
        for job in dag.needrun_jobs()
        if job.output
    ]


def planned_job(rule: str, reason: Any, params: Mapping[str, Any]) -> Planned:
    """Say in a few words why a job makes again what is there.

    The reason is Snakemake's, with what it found for each kind of cause. Where inputs
    are made again it has looked for no other.
    """
    if reason.forced:
        return Planned(rule, "forced")
    newer = tuple(sorted(map(str, reason.updated_input - reason.updated_input_run)))
    causes = {
        "cut off while it was written": reason.incomplete_output,
        _changed(reason.params_changed, params): reason.params_changed,
        "other input files than before": reason.input_changed,
        "its rule has another command": reason.code_changed,
        "its rule has another environment": reason.software_stack_changed,
        NEWER: newer,
    }
    found = [words for words, holds in causes.items() if holds]
    return Planned(rule, " and ".join(found) or FOLLOWS, newer)


def described(jobs: Iterable[Planned]) -> str:
    """Count the missing; give a line for each rule and cause of what is stale."""
    stale: dict[tuple[str, str], list[Planned]] = {}
    missing = 0
    for job in jobs:
        if job.cause is None:
            missing += 1
        else:
            stale.setdefault((job.rule, job.cause), []).append(job)
    total = sum(map(len, stale.values()))
    lines = [f"missing: {missing} jobs; stale: {total} jobs"]
    ordered = sorted(stale.values(), key=lambda group: group[0].cause == FOLLOWS)
    lines += map(_line, ordered[:MOST_LINES])
    if len(ordered) > MOST_LINES:
        lines.append(f"  and {len(ordered) - MOST_LINES} lines more: `snakemake -n`")
    return "\n".join(lines)


def _line(jobs: list[Planned]) -> str:
    files = sorted({file for job in jobs for file in job.newer})
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    told = f": {files[0]}{more}" if files else ""
    return f"  {len(jobs)} {jobs[0].rule}: {jobs[0].cause}{told}"


def _changed(change: Any, params: Mapping[str, Any]) -> str:
    """Name the params that are others than before, as far as they can be told."""
    new = change.only_new if change else ()
    names = [f"`{name}`" for name, value in params.items() if repr(value) in new]
    return f"changed params {', '.join(names)}" if names else "changed params"

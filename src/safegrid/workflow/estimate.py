"""How much time and disk the planned jobs will take, from what they took before."""

from collections import Counter
from importlib.resources import files

import yaml

from safegrid.plans import Plan

# On more cores than the table was measured on, nothing is known.
MEASURED_CORES = 2


def planned_jobs(plan: Plan) -> dict[str, int]:
    """Count a plan's jobs by rule; `all`, which only gathers others, makes no file."""
    # A job that makes several files stands in a plan once for each.
    rules = {id(job): job.rule for job in plan.values()}
    return dict(Counter(rules.values()))


def costs() -> dict[str, dict[str, float]]:
    """Return seconds on one core and megabytes of one job, by rule, as measured."""
    text = files("safegrid.workflow").joinpath("costs.yaml").read_text("utf-8")
    # None where nothing was measured yet: the file holds comments only.
    table: dict[str, dict[str, float]] | None = yaml.safe_load(text)
    return table or {}


def describe(study: str, jobs: dict[str, int], cores: int) -> str:
    """Say what is planned and what it will take, in two lines."""
    table = costs()
    unknown = sorted(set(jobs) - set(table))
    seconds = sum(table[r]["seconds"] * n for r, n in jobs.items() if r in table)
    megabytes = sum(table[r]["megabytes"] * n for r, n in jobs.items() if r in table)
    total = sum(jobs.values())
    used = min(cores, MEASURED_CORES)
    minutes = max(1, round(seconds / used / 60))
    line = (
        f"study {study}: {total} jobs, about {minutes} min on {used} cores and"
        f" {max(1, round(megabytes))} MB of disk in results/"
    )
    basis = "an estimate from the miniature study on two cores"
    if unknown:
        basis += f"; not counted: {', '.join(unknown)}"
    return f"{line}\n({basis}; a run of other sizes scales with its own)"

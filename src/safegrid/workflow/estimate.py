"""How much time and disk the planned jobs will take, from what they took before."""

import re
from importlib.resources import files

import yaml

JOB_LINE = re.compile(r"^(\w+) +(\d+)$", re.MULTILINE)

# On more cores than the table was measured on, nothing is known.
MEASURED_CORES = 2
# Rules that only gather others and take no time of their own.
TARGETS = ("all", "total")


def planned_jobs(plan: str) -> dict[str, int]:
    """Read rule names and numbers of jobs from what a dry run of Snakemake printed."""
    found = {name: int(count) for name, count in JOB_LINE.findall(plan)}
    return {name: count for name, count in found.items() if name not in TARGETS}


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

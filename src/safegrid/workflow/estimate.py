"""Estimate of time and disk for planned jobs, from what they took before."""

from collections import Counter
from collections.abc import Sequence
from importlib.resources import files

import yaml

from safegrid.runtime.plans import Plan

# On more cores than the table was measured on, nothing is known.
MEASURED_CORES = 2
MINIATURE = "mini-base"


def planned_jobs(plan: Plan) -> dict[str, int]:
    """Count a plan's jobs by rule; `all`, which only gathers others, makes no file."""
    # A job that makes several files stands in a plan once for each.
    rules = {id(job): job.rule for job in plan.values()}
    return dict(Counter(rules.values()))


def costs() -> dict[str, dict[str, dict[str, float]]]:
    """Return seconds on one core and megabytes of one job, by base and rule."""
    text = files("safegrid.workflow").joinpath("costs.yaml").read_text("utf-8")
    table: dict[str, dict[str, dict[str, float]]] = yaml.safe_load(text)
    return table


def describe(study: str, jobs: dict[str, int], cores: int, bases: Sequence[str]) -> str:
    """Say what is planned and what it will take, in two lines.

    Args:
        study: its name.
        jobs: planned, by rule.
        cores: jobs at a time.
        bases: of the study; the first that was measured stands for all, or else the
            miniature's.
    """
    measured = costs()
    base = next((base for base in bases if base in measured), MINIATURE)
    table = measured[base]
    # A rule whose trainings keep checkpoints is named by their steps.
    kinds: Counter[str] = Counter()
    for rule, n in jobs.items():
        kinds[rule.partition("_at_")[0]] += n
    known = {rule: n for rule, n in kinds.items() if rule in table}
    seconds = sum(table[rule]["seconds"] * n for rule, n in known.items())
    megabytes = sum(table[rule]["megabytes"] * n for rule, n in known.items())
    used = min(cores, MEASURED_CORES)
    minutes = max(1, round(seconds / used / 60))
    line = (
        f"study {study}: {kinds.total()} jobs, about {minutes} min on {used} cores and"
        f" {max(1, round(megabytes))} MB of disk in results/"
    )
    basis = f"an estimate from jobs of base {base} on two cores"
    if unknown := sorted(set(kinds) - set(known)):
        basis += f"; not counted: {', '.join(unknown)}"
    return f"{line}\n({basis}; a run of other sizes scales with its own)"

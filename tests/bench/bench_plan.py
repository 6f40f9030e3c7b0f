"""A finished study against its own plan: tokens, and seconds by the rate of the others.

A plan's hours are work over a rate. The rate is the machine's, which no arithmetic
knows; so the seconds of each method's trainings (and of each benchmark's cells) are
planned by the rate that all other jobs of their kind reached, beside what they took.

Run in `tests`: `python -m bench.bench_plan --study mini`, where the study has run;
prints JSON. The limits of the CPU that the work is weighed with are rough: only their
ratio, products against memory, enters.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safegrid.config.cost import GpuSpec
from safegrid.config.load import load_config
from safegrid.cost.data import Data
from safegrid.cost.jobs import Job
from safegrid.cost.measured import Speed, measured_speeds
from safegrid.cost.planner import Planner
from safegrid.cost.registry import load_assumptions, load_gpus
from safegrid.study import Study

ROOT = Path(__file__).resolve().parents[2]
# Of a core: products a second, and bytes.
CORE = {"bf16_tflops": 0.1, "fp32_tflops": 0.16, "bandwidth_tb_s": 0.01}
KINDS = ("train", "generate")

Pair = tuple[Speed, Job]


def main() -> None:
    """Print plan over reality as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True)
    parser.add_argument("--root", type=Path, default=ROOT, help="where results/ lies")
    options = parser.parse_args()
    pairs, left_out = finished_jobs(options.study, options.root)
    found: dict[str, Any] = {"left_out": left_out}
    for kind in KINDS:
        own = [pair for pair in pairs if pair[1].kind == kind]
        if own:
            found[kind] = beside(own)
    print(json.dumps(found, indent=2))


def finished_jobs(name: str, root: Path) -> tuple[list[Pair], list[str]]:
    """Return a study's finished jobs with their plans, and which are left out."""
    config = ROOT / "config"
    study = Study(load_config(config, name))
    core = load_gpus(config)["h200"].model_copy(update=CORE)
    planned = plan(study, root, core)
    speeds, left_out = measured_speeds(study, root)
    named = ((speed, planned.get((speed.kind, speed.name))) for speed in speeds)
    return [(speed, job) for speed, job in named if job and job.work], left_out


def plan(study: Study, root: Path, core: GpuSpec) -> dict[tuple[str, str], Job]:
    """Return a study's jobs by kind and name, planned for one core."""
    data = Data(study, load_assumptions(ROOT / "config"), root)
    return {(job.kind, job.name): job for job in Planner(data, core).jobs()}


def beside(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return plan over reality for all jobs of a kind, and for each of its groups."""
    groups: dict[str, list[Pair]] = defaultdict(list)
    for speed, job in pairs:
        groups[job.what].append((speed, job))
    seconds, limit = _totals(pairs)
    rows = {}
    for what, own in sorted(groups.items()):
        took, work = _totals(own)
        rows[what] = {"jobs": len(own), "seconds": round(took, 1)}
        if len(groups) > 1:
            planned = work * (seconds - took) / (limit - work)
            rows[what]["planned_over_taken"] = round(planned / took, 2)
    counted = sum(speed.tokens for speed, _ in pairs)
    tokens = sum(job.work.tokens for _, job in pairs if job.work)
    return {"tokens_planned_over_counted": round(tokens / counted, 4), "by": rows}


def _totals(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return the seconds that jobs took, and those that their work takes at least."""
    limits = (job.work.limit for _, job in pairs if job.work)
    return sum(speed.seconds for speed, _ in pairs), sum(limits)


if __name__ == "__main__":
    main()

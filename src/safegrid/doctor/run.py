"""`safegrid doctor`: all checks of a profile, one line each, as they are made."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from safegrid.config.block import Name
from safegrid.config.options import read_options
from safegrid.core.errors import SafegridError
from safegrid.doctor import (
    Finding,
    cluster,
    fail,
    ok,
    probe,
    profile,
    report,
    skip,
    status,
    warn,
)
from safegrid.doctor.plan import planned
from safegrid.doctor.profile import Profile, read_profile
from safegrid.runtime.runs import SLURM_JOB

CONFIG = Path("config")
PATIENCE = 180
# The plugin's own variable beside `slurm-partition-config`.
CHOSEN = "SNAKEMAKE_SLURM_PARTITIONS"


def doctor(
    *,
    profile: str,
    study: Name | None = None,
    sources_dir: str | None = None,
    patience: int = PATIENCE,
    no_probe: bool = False,
) -> int:
    """Check a profile before anything is submitted; return 1 where a check failed.

    Args:
        profile: as `snakemake --profile` takes it.
        study: a file of config/studies; without it the one that `snakemake` runs.
        sources_dir: the folder that `path` of a source, a base or a judge is below.
        patience: seconds in which a probe must start on a node.
        no_probe: submit nothing, not even probes.
    """
    if not Path("Snakefile").is_file():
        raise SafegridError("no Snakefile here: run this from the repository's root")
    name = study or read_options(CONFIG).study
    failed = report(_checks(profile, name, sources_dir, None if no_probe else patience))
    print(f"{failed} failed" if failed else "nothing failed")
    return 1 if failed else 0


def _checks(
    name: str, study: str, sources_dir: str | None, patience: int | None
) -> Iterator[Finding]:
    """Make the checks in order; what hangs on a failed one is skipped."""
    yield from _outside(study, sources_dir)
    try:
        found = read_profile(name)
    except SafegridError as error:
        yield fail("profile", str(error))
        yield skip("everything else", "needs the profile")
        return
    yield from profile.look_at(found)
    if found.executor == "slurm":
        yield from _slurm(found, study, sources_dir, patience)
    else:
        yield skip(
            "jobs and nodes",
            f"executor {found.executor} is not looked into; of clusters the doctor"
            " knows SLURM only",
        )


def _outside(study: str, sources_dir: str | None) -> Iterator[Finding]:
    """Let the preflight look at what the study needs from outside, hubs included."""
    command = [sys.executable, "-m", "safegrid", "preflight", "--study", study]
    command += ["--sources-dir", sources_dir] if sources_dir else []
    online = {**os.environ, "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        command, env=online, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        yield ok("study", done.stdout)
        return
    lines = done.stderr.strip().removeprefix("error: ").splitlines()
    for line in lines[1:] or lines:
        yield fail("study", line)


def _slurm(
    found: Profile, study: str, sources_dir: str | None, patience: int | None
) -> Iterator[Finding]:
    if missing := [name for name in cluster.NEEDED if shutil.which(name) is None]:
        yield fail(
            "SLURM",
            f"SLURM's commands are not here: {', '.join(missing)}; run this on a login"
            " node of the cluster",
        )
        yield skip("jobs and nodes", "need SLURM's commands")
        return
    try:
        there = cluster.read_site()
    except SafegridError as error:
        yield fail("SLURM", f"its controller does not answer: {error}")
        yield skip("jobs and nodes", "need the controller")
        return
    nodes = len(set().union(*there.nodes.values()))
    yield ok(
        "SLURM",
        f"{there.settings.get('SLURM_VERSION', 'of unknown version')}, {nodes} nodes,"
        f" partitions {', '.join(sorted(there.partitions))}",
    )
    if SLURM_JOB in os.environ:
        yield warn(
            "SLURM",
            f"this runs inside of job {os.environ[SLURM_JOB]}: what is submitted from"
            " there inherits its settings; run Snakemake on a login node",
        )
    yield from _guarded("status", lambda: status.look_at(found, there))
    try:
        demands = planned(found, study, sources_dir)
    except SafegridError as error:
        yield fail("plan", str(error))
        yield skip("jobs and nodes", "need the plan")
        return
    count = sum(demand.submissions for demand in demands)
    yield ok("plan", f"study {study}: {count} jobs on the cluster when all is made")
    if chosen := found.settings().partition_config or os.environ.get(CHOSEN):
        yield warn(
            "plan",
            f"{chosen} chooses partitions when jobs are submitted; below, jobs without"
            " slurm_partition are held against the default one",
        )
    met = []
    for demand in demands:
        told = [*cluster.check_demand(demand, there, found)]
        yield from told
        if told[0].state == "ok":
            met.append(demand)
    partitions = {there.partition_of(demand.resources).name for demand in met}
    yield from cluster.check_preemption(partitions, found, there)
    if patience is None:
        yield skip("nodes", "not looked at, as asked")
    else:
        yield from _guarded("nodes", lambda: probe.look_at(met, there, found, patience))


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Give a check's findings; a check that breaks is a failed one."""
    try:
        yield from look()
    except SafegridError as error:
        yield fail(subject, str(error))

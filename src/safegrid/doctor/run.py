"""`safegrid doctor`: all checks of a profile, one line each, as they are made."""

from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from safegrid.doctor import fit, hub, preemption, probe, profile, site, status
from safegrid.doctor.findings import Finding, fail, ok, report, skip
from safegrid.doctor.plan import Demand, planned
from safegrid.doctor.profile import Profile, read_profile
from safegrid.doctor.site import Site
from safegrid.errors import SafegridError

CONFIG = Path("config")
PATIENCE = 180


def doctor(
    *,
    profile: str,
    study: str | None = None,
    sources_dir: str | None = None,
    patience: int = PATIENCE,
    no_probe: bool = False,
) -> int:
    """Check a profile before anything is submitted.

    Args:
        profile: as `snakemake --profile` takes it.
        study: a file of config/studies; without it the one that `snakemake` runs.
        sources_dir: the folder that `path` of a source, a base or a judge is below.
        patience: seconds in which a probe must start on a node.
        no_probe: submit nothing, not even probes.

    Returns:
        0 where no check failed, else 1.

    Raises:
        SafegridError: this is not the repository's root.
    """
    if not Path("Snakefile").is_file():
        raise SafegridError("no Snakefile here: run this from the repository's root")
    name = study or _default_study()
    failed = report(_checks(profile, name, sources_dir, None if no_probe else patience))
    print(f"{failed} failed" if failed else "nothing failed")
    return 1 if failed else 0


def _default_study() -> str:
    text = (CONFIG / "config.yaml").read_text(encoding="utf-8")
    return str(yaml.safe_load(text)["study"])


def _checks(
    name: str, study: str, sources_dir: str | None, patience: int | None
) -> Iterator[Finding]:
    """Make the checks in order; what hangs on a failed one is skipped."""
    yield from _guarded("hub", lambda: hub.look_at(study, sources_dir, CONFIG))
    try:
        found = read_profile(name)
    except SafegridError as error:
        yield fail("profile", str(error))
        yield skip("everything else", "needs the profile")
        return
    yield from profile.look_at(found)
    if found.executor != "slurm":
        yield skip(
            "jobs and nodes",
            f"executor {found.executor} is not looked into; of clusters the doctor"
            " knows SLURM only",
        )
        return
    yield from _slurm(found, study, sources_dir, patience)


def _slurm(
    found: Profile, study: str, sources_dir: str | None, patience: int | None
) -> Iterator[Finding]:
    if missing := site.missing_commands():
        yield fail(
            "SLURM",
            f"SLURM's commands are not here: {', '.join(missing)}; run this on a login"
            " node of the cluster",
        )
        yield skip("jobs and nodes", "need SLURM's commands")
        return
    try:
        there = site.read_site()
    except SafegridError as error:
        yield fail("SLURM", f"its controller does not answer: {error}")
        yield skip("jobs and nodes", "need the controller")
        return
    yield _controller(there)
    probing = patience is not None
    yield from _guarded("status", lambda: status.look_at(found, there, probing))
    try:
        demands = planned(found, study, sources_dir)
    except SafegridError as error:
        yield fail("plan", str(error))
        yield skip("jobs and nodes", "need the plan")
        return
    yield from _demands(demands, found, there, study)
    if patience is None:
        yield skip("nodes", "not looked at, as asked")
        return
    yield from _guarded("nodes", lambda: probe.look_at(demands, there, found, patience))


def _controller(there: Site) -> Finding:
    version = there.settings.get("SLURM_VERSION", "of unknown version")
    return ok(
        "SLURM",
        f"{version}, {len(there.nodes)} nodes, partitions"
        f" {', '.join(sorted(there.partitions))}",
    )


def _demands(
    demands: list[Demand], found: Profile, there: Site, study: str
) -> Iterator[Finding]:
    """Check what each kind of submission of the study asks for."""
    count = sum(demand.submissions for demand in demands)
    yield ok("plan", f"study {study}: {count} jobs on the cluster when all is made")
    for demand in demands:
        yield from fit.look_at(demand, there, found)
    partitions = set()
    for demand in demands:
        try:
            partitions.add(fit.request(demand, there).partition)
        except SafegridError:
            continue  # told above
    yield from preemption.look_at(partitions, found, there)


def _guarded(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Give a check's findings; a check that breaks is a failed one."""
    try:
        yield from look()
    except SafegridError as error:
        yield fail(subject, str(error))

"""One small job on a node of each kind: does it see what jobs of a study need.

A file goes there and an answer comes back, both through the working directory. The job
asks for partition, account and GPUs as the study's own jobs do, for one CPU and five
minutes. One that does not start in time is cancelled.
"""

import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from huggingface_hub.constants import HF_HOME, HF_HUB_CACHE

from safegrid.core.errors import DataError, SafegridError
from safegrid.core.files import read_record
from safegrid.doctor.answer import look_at_answer
from safegrid.doctor.findings import Finding, fail, ok, warn
from safegrid.doctor.fit import problems, request
from safegrid.doctor.job import (
    AT_WORK,
    WAITING,
    Probe,
    last_words,
    seconds_until,
    submit,
    wait,
)
from safegrid.doctor.node import Answer
from safegrid.doctor.plan import Demand, Resource
from safegrid.doctor.profile import Profile
from safegrid.doctor.site import Site
from safegrid.doctor.submit import submit_line
from safegrid.runtime.slurm import ask

FOLDER = Path(".snakemake/safegrid-doctor")
# What decides where a job may run; the size of a probe is its own.
PLACE = ("slurm_account", "qos", "constraint", "gres", "gpu", "gpu_model")
SIZE: dict[str, Resource] = {"runtime": 5, "mem_mb": 4000, "_cores": 1}


def look_at(
    demands: Iterable[Demand], site: Site, profile: Profile, patience: int
) -> Iterator[Finding]:
    """Send a probe to each kind of place that demands name, and tell what it saw.

    Args:
        demands: what the study's jobs ask for.
        site: what the cluster has.
        profile: under which they are submitted.
        patience: seconds in which the probes must start.
    """
    token = uuid.uuid4().hex
    folder = (FOLDER / token).absolute()
    marks = _marks(token)
    probes = _probes(demands, site, profile, folder)
    try:
        for probe in probes:
            yield from _send(probe, token, marks)
        deadline = time.monotonic() + patience
        for probe in probes:
            if probe.job:
                yield from _look(probe, token, profile, deadline)
    finally:
        _clean_up(probes, folder, marks)


def small(
    demand: Demand, site: Site, profile: Profile, log: Path | str = "/dev/null"
) -> list[str]:
    """Return a call of sbatch for a small job where a demand's jobs run.

    Raises:
        SafegridError: there is no such place, or the plugin refuses it.
    """
    place = {k: v for k, v in demand.resources.items() if k in PLACE}
    partition = request(demand, site).partition
    return submit_line({**place, **SIZE}, partition, profile, log)


def _probes(
    demands: Iterable[Demand], site: Site, profile: Profile, folder: Path
) -> list[Probe]:
    """Make one probe for each place; of a demand that cannot be met, none."""
    found: dict[str, Probe] = {}
    for demand in demands:
        with suppress(SafegridError):  # told by the demand's own check
            asked = request(demand, site)
            if any(problems(demand, asked, site)):
                continue
            at = folder / str(len(found))
            words = [f"partition {asked.partition}", *map(str, asked.gres)]
            named = (f"{k} {demand.resources.get(k, '')}" for k in PLACE[:3])
            words += [word for word in named if not word.endswith(" ")]
            where = ", ".join(words)
            line = small(demand, site, profile, at / "log.txt")
            found.setdefault(where, Probe(where, at, line, asked.gres))
    return list(found.values())


def _marks(token: str) -> dict[str, Path]:
    """Put a file into each folder beside the working directory that matters.

    Where nothing can be written the folder itself is looked for.
    """
    folders = {"results/": Path("results"), "HF_HOME": Path(HF_HOME)}
    if not Path(HF_HUB_CACHE).is_relative_to(HF_HOME):
        folders["HF_HUB_CACHE"] = Path(HF_HUB_CACHE)
    found = {}
    for name, folder in folders.items():
        if not folder.is_dir():
            continue
        mark = folder.absolute() / f".safegrid-doctor-{token}"
        try:
            mark.touch()
        except OSError:
            mark = folder.absolute()
        found[name] = mark
    return found


def _send(probe: Probe, token: str, marks: Mapping[str, Path]) -> Iterator[Finding]:
    try:
        submit(probe, token, marks)
    except SafegridError as error:
        yield fail(probe.subject, f"the probe was not accepted: {error}")


def _look(
    probe: Probe, token: str, profile: Profile, deadline: float
) -> Iterator[Finding]:
    state, reason = wait(probe.job, deadline)
    if state in WAITING:
        yield warn(
            probe.subject,
            f"not looked at: the probe did not start in time (SLURM says {reason}) and"
            " was cancelled; try again with a larger --patience, in seconds",
        )
        return
    if state in AT_WORK:
        yield fail(
            probe.subject, f"the probe hangs, and was cancelled: {last_words(probe)}"
        )
        return
    seconds = seconds_until(probe.answer, profile.args.latency_wait)
    if seconds is None:
        yield fail(
            probe.subject,
            f"the probe ended ({state}) and no answer came in"
            f" {profile.args.latency_wait} s (latency-wait): {last_words(probe)}",
        )
        return
    try:
        answer = read_record(probe.answer, Answer)
    except DataError as error:
        yield fail(probe.subject, f"its answer cannot be read: {error}")
        return
    yield ok(
        probe.subject,
        f"ran on {answer.node}; {Path.cwd()} is seen there, and what is written"
        f" there is seen here {seconds:.1f} s after the job's end (latency-wait:"
        f" {profile.args.latency_wait} s)",
    )
    yield from look_at_answer(probe.subject, answer, token, probe.gres)


def _clean_up(probes: list[Probe], folder: Path, marks: Mapping[str, Path]) -> None:
    for probe in probes:
        if probe.job:
            with suppress(SafegridError):  # it has ended, and SLURM has forgotten it
                ask("scancel", probe.job)
    for mark in marks.values():
        if mark.is_file():
            mark.unlink()
    shutil.rmtree(folder, ignore_errors=True)

"""One small job on a node of each kind: does it see what jobs of a study need.

A file goes there and an answer comes back, both through the working directory. The job
asks for partition, account and GPUs as the study's own jobs do, for one CPU and five
minutes. One that does not start in time is cancelled.
"""

import math
import os
import re
import shlex
import shutil
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from huggingface_hub.constants import HF_HOME, HF_HUB_CACHE

from safegrid.core.errors import SafegridError
from safegrid.core.files import read_record, write_json, write_text
from safegrid.doctor import Finding, fail, ok, warn
from safegrid.doctor.cluster import Site
from safegrid.doctor.node import NodeAnswer, NodeQuestion, environment
from safegrid.doctor.plan import Demand, Resource, submit_line
from safegrid.doctor.profile import Profile
from safegrid.runtime.runs import announce
from safegrid.runtime.slurm import ask

FOLDER = Path(".snakemake/safegrid-doctor")
# What decides where a job may run; the size of a probe is its own.
PLACE = ("gres", "gpu", "gpu_model", "slurm_account", "qos", "constraint")
SIZE: dict[str, Resource] = {"runtime": 5, "mem_mb": 4000, "_cores": 1}
GPUS = re.compile(r"\bgpu(?::[A-Za-z_][\w.-]*)?(?::(\d+))?")
WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "SUSPENDED"}
AT_WORK = {"RUNNING", "COMPLETING"}
POLL_SECONDS = 0.5
WORK_SECONDS = 330
"""In which a probe that runs must end; SLURM ends it after five minutes."""

SCRIPT = """\
#!/bin/bash
set -euo pipefail
# Snakemake itself starts there with the Python that it runs with here.
[ -x {python} ] || {{ echo "error: no {python} on $(hostname)" >&2; exit 1; }}
. "$SAFEGRID_HOME/profiles/slurm/job.sh"
python -m safegrid probe-node --ask {ask} --out {out}
"""


@dataclass
class Probe:
    """A job that looks at a node; `line` calls sbatch, without the script."""

    subject: str
    folder: Path
    line: list[str]
    gpus: int
    job: str = ""

    def __post_init__(self) -> None:
        self.answer, self.log = self.folder / "answer.json", self.folder / "log.txt"

    def submit(self, marks: Mapping[str, Path]) -> None:
        """Put the question into its folder and submit the job."""
        question, script = self.folder / "ask.json", self.folder / "probe.sh"
        names = {name: str(mark) for name, mark in marks.items()}
        write_json(question, asdict(NodeQuestion(names, environment(), self.gpus)))
        paths = {"python": sys.executable, "ask": question, "out": self.answer}
        quoted = {name: shlex.quote(str(path)) for name, path in paths.items()}
        write_text(script, SCRIPT.format(**quoted))
        # Jobs of a run inherit this; a probe sees what they will see.
        variables = {**os.environ, **announce(Path.cwd())}
        told = ask(*self.line, str(script), env=variables)
        self.job = told.split(";")[0].strip()

    def last_words(self) -> str:
        """Return the last line of its log, or what a missing log means."""
        if not self.log.exists():
            return (
                f"not even its log is here, so {Path.cwd()} is not the same folder on"
                " that node; work in a folder that all nodes share"
            )
        text = self.log.read_text(encoding="utf-8", errors="replace")
        lines = text.strip().splitlines()
        return lines[-1] if lines else "it printed nothing"


def look_at(
    demands: Iterable[Demand], site: Site, profile: Profile, patience: int
) -> Iterator[Finding]:
    """Send a probe to each kind of place that demands name, and tell what it saw.

    The demands are those that can be met; probes must start within `patience` seconds.
    """
    token = uuid.uuid4().hex
    folder = (FOLDER / token).absolute()
    marks = _marks(token)
    probes: dict[str, Probe] = {}
    try:
        for demand in demands:
            probe = _probe(demand, site, profile, folder / str(len(probes)))
            if probe.subject not in probes:
                probes[probe.subject] = probe
                try:
                    probe.submit(marks)
                except SafegridError as error:
                    yield fail(probe.subject, f"the probe was not accepted: {error}")
        deadline = time.monotonic() + patience
        for probe in probes.values():
            if probe.job:
                yield from _look(probe, profile, deadline)
    finally:
        for probe in probes.values():
            if probe.job:
                with suppress(SafegridError):  # it has ended, and SLURM forgot it
                    ask("scancel", probe.job)
        for mark in marks.values():
            if mark.is_file():
                mark.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def _probe(demand: Demand, site: Site, profile: Profile, folder: Path) -> Probe:
    """Make a small job where a demand's jobs run."""
    place = {k: demand.resources[k] for k in PLACE if demand.resources.get(k)}
    partition = site.partition_of(demand.resources).name
    words = [str(v) if k == "gres" else f"{k} {v}" for k, v in place.items()]
    subject = ", ".join([f"node of partition {partition}", *words])
    line = submit_line({**place, **SIZE}, partition, profile, folder / "log.txt")
    return Probe(subject, folder, line, gpus_of(demand.resources))


def gpus_of(asked: Mapping[str, Resource]) -> int:
    """Return how many GPUs of each node resources ask for."""
    found = GPUS.search(str(asked.get("gres", "")))
    if found is not None:
        return int(found[1] or 1)
    count = int(asked.get("gpu") or bool(asked.get("gpu_model")))
    return math.ceil(count / int(asked.get("nodes", 1)))


def _marks(token: str) -> dict[str, Path]:
    """Put a file into each folder beside the working directory that matters.

    Where nothing can be written the folder itself is looked for.
    """
    folders = {"results/": Path("results"), "HF_HOME": Path(HF_HOME)}
    if not Path(HF_HUB_CACHE).is_relative_to(HF_HOME):
        folders["HF_HUB_CACHE"] = Path(HF_HUB_CACHE)
    found = {}
    for name, folder in folders.items():
        if folder.is_dir():
            found[name] = folder.absolute() / f".safegrid-doctor-{token}"
            try:
                found[name].touch()
            except OSError:
                found[name] = folder.absolute()
    return found


def _look(probe: Probe, profile: Profile, deadline: float) -> Iterator[Finding]:
    subject, latency = probe.subject, profile.args.latency_wait
    state, reason = _wait(probe.job, deadline)
    if state in WAITING:
        yield warn(
            subject,
            f"not looked at: the probe did not start in time (SLURM says {reason}) and"
            " was cancelled; try again with a larger --patience, in seconds",
        )
    elif state in AT_WORK:
        yield fail(subject, f"the probe hangs, and was cancelled: {probe.last_words()}")
    elif (seconds := seconds_until(probe.answer, latency)) is None:
        yield fail(
            subject,
            f"the probe ended ({state}) and no answer came in {latency} s"
            f" (latency-wait): {probe.last_words()}",
        )
    else:
        answer = read_record(probe.answer, NodeAnswer)
        yield ok(
            subject,
            f"ran on {answer.node}; {Path.cwd()} is seen there, and what is written"
            f" there is seen here {seconds:.1f} s after the job's end (latency-wait:"
            f" {latency} s)",
        )
        yield from (Finding(state, subject, text) for state, text in answer.found)


def _wait(job: str, deadline: float) -> tuple[str, str]:
    """Wait until a job has ended, or has not started in time; return how it stands."""
    while True:
        try:
            told = ask("squeue", "-h", "--states=all", "-j", job, "-o", "%T|%r")
        except SafegridError:
            told = ""
        state, _, reason = told.strip().partition("|")
        limit = deadline + (WORK_SECONDS if state in AT_WORK else 0)
        if state not in WAITING | AT_WORK:
            return state or "forgotten by SLURM", reason
        if time.monotonic() > limit:
            return state, reason
        time.sleep(POLL_SECONDS)


def seconds_until(file: Path, patience: float) -> float | None:
    """Wait for a file of another machine; return how long it took, or None."""
    start = time.monotonic()
    # Listing a folder makes a network file system look again.
    while file.name not in os.listdir(file.parent):
        if time.monotonic() - start > patience:
            return None
        time.sleep(POLL_SECONDS)
    return time.monotonic() - start

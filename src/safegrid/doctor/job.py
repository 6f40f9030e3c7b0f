"""A probe as a job of SLURM: submitted, waited for, and what it printed."""

import os
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safegrid.core.errors import SafegridError
from safegrid.core.files import write_json, write_text
from safegrid.doctor.site import Gres
from safegrid.runtime.runs import announce
from safegrid.runtime.slurm import ask

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
    """A job that looks at a node.

    Attributes:
        place: partition and GPUs that it asks for, in words.
        folder: where question, answer and log lie.
        line: the call of sbatch, without the script.
    """

    place: str
    folder: Path
    line: list[str]
    gres: tuple[Gres, ...]
    job: str = ""

    @property
    def subject(self) -> str:
        """What its findings are about."""
        return f"node of {self.place}"

    @property
    def answer(self) -> Path:
        """What the node writes."""
        return self.folder / "answer.json"

    @property
    def log(self) -> Path:
        """What the job printed."""
        return self.folder / "log.txt"


def submit(probe: Probe, token: str, marks: Mapping[str, Path]) -> None:
    """Put the question into the probe's folder and submit its job.

    Raises:
        SafegridError: SLURM does not take it.
    """
    question = probe.folder / "ask.json"
    names = {name: str(mark) for name, mark in marks.items()}
    write_json(question, {"token": token, "marks": names})
    paths = {"python": sys.executable, "ask": question, "out": probe.answer}
    quoted = {name: shlex.quote(str(path)) for name, path in paths.items()}
    script = probe.folder / "probe.sh"
    write_text(script, SCRIPT.format(**quoted))
    # Jobs of a run inherit this; a probe sees what they will see.
    variables = {**os.environ, **announce(Path.cwd())}
    told = ask(*probe.line, str(script), env=variables)
    probe.job = told.split(";")[0].strip()


def wait(job: str, deadline: float) -> tuple[str, str]:
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
    while True:
        # Listing a folder makes a network file system look again.
        if file.name in os.listdir(file.parent):
            return time.monotonic() - start
        if time.monotonic() - start > patience:
            return None
        time.sleep(POLL_SECONDS)


def last_words(probe: Probe) -> str:
    """Return the last line of a probe's log, or what a missing log means."""
    if not probe.log.exists():
        return (
            f"not even its log is here, so {Path.cwd()} is not the same folder on that"
            " node; work in a folder that all nodes share"
        )
    lines = probe.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it printed nothing"

"""A run of the real Makefile, `safegrid study`, Snakemake and hooks, of made-up jobs.

Its long job is a process that sleeps, beside which an engine's stand-in lives in a
session of its own.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from engines import wait_until
from safegrid.runtime.runs import OWNER_FILE, processes_of, read_owner
from safegrid.workflow.lock import is_locked
from terminal import Terminal

ROOT = Path(__file__).parents[1]
SECONDS = 15
MAKE = ("make", "study", "STUDY=made-up")
STUDY = (sys.executable, "-m", "safegrid", "study", "--study", "made-up")
STUDY += ("--cores", "2")

SNAKEFILE = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from safegrid.runtime.runs import announce

STUDY = SimpleNamespace(name=config["study"])
os.environ.update(announce(Path({root!r})))

include: {root!r} + "/rules/hooks.smk"

rule all:
    input: "results/long"

rule short:
    output: "results/short"
    localrule: True
    shell: "echo made >>made.txt; touch {{output:q}}"

rule long:
    input: "results/short"
    output: "results/long"
    retries: 1
    shell: "python job.py {{output:q}}"

onstart:
    follow_owner()
    record_owner()

onerror:
    stop_engines()
"""

ENGINE = """
import time
from pathlib import Path
from safegrid.runtime.runs import end_with_owner

end_with_owner()
Path("at-work").touch()
time.sleep(600)
"""

JOB = """
import signal, subprocess, sys, time
from pathlib import Path
from safegrid.runtime.runs import end_with_owner

if Path("go-on").exists():
    Path(sys.argv[1]).touch()
    sys.exit()
end_with_owner()
if Path("stubborn").exists():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
subprocess.Popen([sys.executable, "engine.py"], start_new_session=True)
time.sleep(600)
"""


class MadeUpRun:
    """A folder in which it is started again and again; no environment is activated."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "Snakefile").write_text(SNAKEFILE.format(root=str(ROOT)))
        (folder / "job.py").write_text(JOB)
        (folder / "engine.py").write_text(ENGINE)
        shutil.copytree(ROOT / "config", folder / "config")
        study = (ROOT / "config/studies/tiny.yaml").read_text()
        study = study.replace("name: tiny", "name: made-up")
        (folder / "config/studies/made-up.yaml").write_text(study)
        shutil.copy(ROOT / "Makefile", folder)
        ours = Path(sys.executable).parent
        (folder / ".venv").mkdir()
        (folder / ".venv/bin").symlink_to(ours)
        for name in ("requirements.lock", "pyproject.toml", ".venv/.ready"):
            (folder / name).touch()
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SAFEGRID_")}
        path = [p for p in kept["PATH"].split(os.pathsep) if p != str(ours)]
        self.environment = {**kept, "PATH": os.pathsep.join(path)}

    def start(self, *command):
        """Start a command, and wait until the job is at work and the engine lives."""
        options = {"cwd": self.folder, "env": self.environment}
        options |= {"stderr": subprocess.STDOUT, "start_new_session": True}
        with (self.folder / "said.txt").open("w") as stream, self._to_work():
            return subprocess.Popen(command, stdout=stream, **options)

    def start_in_terminal(self, *command):
        """Start it as a user does."""
        with self._to_work():
            return Terminal(command, self.folder, self.environment)

    @contextmanager
    def _to_work(self):
        """Wait after the block until its run is at work."""
        (self.folder / "at-work").unlink(missing_ok=True)
        yield
        wait_until((self.folder / "at-work").exists, 120)

    def finish(self, command):
        """Run it to its end: the job has nothing to wait for any more."""
        (self.folder / "go-on").touch()
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True)
        assert (self.folder / "results/long").exists()
        self.assert_free()

    @property
    def said(self):
        """What it has printed, where it was started without a terminal."""
        return (self.folder / "said.txt").read_text()

    @property
    def owner(self):
        """The owner of the run that was recorded last."""
        found = read_owner(self.folder / OWNER_FILE)
        assert found is not None, "no run was recorded"
        return found

    def assert_ended(self):
        """All of the run is gone in time, its owner too."""
        owner = self.owner
        wait_until(lambda: not (processes_of(owner.run) or owner.is_alive()), SECONDS)

    def assert_free(self):
        """The folder is not locked, and what was finished was made once."""
        assert not is_locked(self.folder / ".snakemake/locks")
        assert (self.folder / "made.txt").read_text() == "made\n"

    def end(self):
        """End what a failing test may have left."""
        for process in processes_of(self.owner.run):
            process.kill()

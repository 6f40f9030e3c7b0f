"""Signals to `make study`, and to all that stands around it: the whole run ends.

The run is one of the real Makefile, `safegrid study`, Snakemake and hooks, in a folder
whose one long job is made up: a process, beside which an engine's stand-in lives in a
session of its own. The tests follow each other in that folder, so that each
also shows that the run after a signal starts, with what was finished before.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from safegrid.runs import processes_of
from safegrid.workflow.lock import is_locked
from terminal import Terminal

ROOT = Path(__file__).parents[2]
SECONDS = 15
OWNER = ".snakemake/safegrid-owner.json"
CTRL_C = "\x03"
MAKE = ("make", "study", "STUDY=made-up")

SNAKEFILE = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from safegrid.runs import announce

STUDY = SimpleNamespace(name=config["study"])
os.environ.update(announce(Path({root!r})))

include: {root!r} + "/rules/hooks.smk"

rule all:
    input: "results/long"

rule short:
    output: "results/short"
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
import sys, time
from pathlib import Path
from safegrid.runs import end_with_owner

end_with_owner()
Path("at-work").touch()
time.sleep(600)
"""

JOB = """
import signal, subprocess, sys, time
from pathlib import Path
from safegrid.runs import end_with_owner

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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which `make study` runs the made-up job, in no environment."""
    path = tmp_path_factory.mktemp("signals")
    (path / "Snakefile").write_text(SNAKEFILE.format(root=str(ROOT)))
    (path / "job.py").write_text(JOB)
    (path / "engine.py").write_text(ENGINE)
    shutil.copy(ROOT / "Makefile", path)
    for name in ("requirements.lock", "pyproject.toml"):
        (path / name).touch()
    (path / ".venv").mkdir()
    (path / ".venv/bin").symlink_to(Path(sys.executable).parent)
    (path / ".venv/.ready").touch()
    yield path
    end_run(path)


@pytest.fixture
def environment():
    """A user's environment, in which nothing was activated."""
    ours = str(Path(sys.executable).parent)
    path = os.environ["PATH"].split(os.pathsep)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SAFEGRID_")}
    return {**kept, "PATH": os.pathsep.join(p for p in path if p != ours)}


def run_of(folder):
    """The id of the run that was recorded last."""
    return json.loads((folder / OWNER).read_text())["run"]


def end_run(folder):
    """End what a failing test may have left."""
    for process in processes_of(run_of(folder)):
        process.kill()


def start(command, folder, environment, in_terminal=False):
    """Start a command, and wait until the job is at work and the engine lives."""
    (folder / "at-work").unlink(missing_ok=True)
    if in_terminal:
        process = Terminal(command, folder, environment)
    else:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=(folder / "said.txt").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 120
    while not (folder / "at-work").exists():
        assert time.monotonic() < deadline, said(process, folder)
        time.sleep(0.05)
    return process


def said(process, folder):
    """What a run printed."""
    if isinstance(process, Terminal):
        return process.shown
    return (folder / "said.txt").read_text()


def assert_ended(folder):
    """All of the run is gone in time."""
    deadline = time.monotonic() + SECONDS
    while left := processes_of(run_of(folder)):
        assert time.monotonic() < deadline, [p.cmdline() for p in left]
        time.sleep(0.1)


def assert_gone(folder):
    """All of the run is gone, the folder is free, and what was finished stands."""
    assert_ended(folder)
    assert not is_locked(folder / ".snakemake/locks")
    assert (folder / "made.txt").read_text() == "made\n"


def to_one(number, name):
    """Send a signal to the oldest process of a name below the command, or to it."""

    def send(process):
        top = psutil.Process(process.pid)
        found = [top, *top.children(recursive=True)]
        next(p for p in found if name in " ".join(p.cmdline())).send_signal(number)

    return send


def to_group(*numbers):
    """Send signals to the command's group, some time apart."""

    def send(process):
        for number in numbers:
            os.killpg(process.pid, number)
            time.sleep(0.5)

    return send


STUDY = (sys.executable, "-m", "safegrid", "study", "--study", "made-up")
STUDY += ("--cores", "2")


@pytest.mark.parametrize(
    ("command", "send", "name"),
    [
        pytest.param(STUDY, to_one(signal.SIGTERM, "study"), "SIGTERM", id="term"),
        pytest.param(MAKE, to_one(signal.SIGTERM, "make"), "SIGTERM", id="term-make"),
        pytest.param(MAKE, to_one(signal.SIGINT, "make"), "SIGINT", id="int-make"),
        pytest.param(
            MAKE, to_group(signal.SIGINT, signal.SIGINT), "SIGINT", id="int-twice"
        ),
        pytest.param(
            ("timeout", "600", *MAKE),
            to_one(signal.SIGTERM, "timeout"),
            "SIGTERM",
            id="timeout",
        ),
        pytest.param(
            ("nohup", *MAKE),
            to_group(signal.SIGHUP, signal.SIGTERM),
            "SIGTERM",
            id="nohup",
        ),
    ],
)
def test_one_signal_ends_all_of_a_run(folder, environment, command, send, name):
    process = start(command, folder, environment)
    send(process)
    assert process.wait(SECONDS) != 0
    text = said(process, folder)
    assert f"study made-up: the run was ended by {name}; start again to go on" in text
    assert "answers and checkpoints are kept" in text
    assert "Traceback" not in text
    assert_gone(folder)


def test_ctrl_c_in_a_terminal_ends_all_of_a_run_and_more_of_them_change_nothing(
    folder, environment
):
    (folder / "stubborn").touch()
    terminal = start(MAKE, folder, environment, in_terminal=True)
    (folder / "stubborn").unlink()
    for _ in range(3):
        terminal.type(CTRL_C)
        time.sleep(0.3)
    assert terminal.wait() != 0
    assert "the run was ended by SIGINT" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert_gone(folder)
    terminal.close()


def test_a_run_ends_with_its_terminal(folder, environment):
    terminal = start(MAKE, folder, environment, in_terminal=True)
    terminal.close()
    terminal.wait()
    assert_gone(folder)


@pytest.mark.parametrize("name", ["safegrid study", "-m snakemake"])
def test_what_is_killed_at_once_takes_the_rest_along(folder, environment, name):
    process = start(MAKE, folder, environment)
    to_one(signal.SIGKILL, name)(process)
    assert process.wait(SECONDS) != 0
    assert_ended(folder)


def test_the_run_after_all_signals_goes_on(folder, environment):
    (folder / "go-on").touch()
    subprocess.run(MAKE, cwd=folder, env=environment, check=True)
    assert (folder / "results/long").exists()
    assert (folder / "made.txt").read_text() == "made\n"
    assert not is_locked(folder / ".snakemake/locks")

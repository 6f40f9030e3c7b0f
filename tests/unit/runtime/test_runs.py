"""Runs: who owns them, what a dead one leaves, how their jobs end."""

import dataclasses
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from safegrid import cli
from safegrid.commands import COMMANDS
from safegrid.core.artifacts import write_json
from safegrid.core.errors import SafegridError
from safegrid.runtime import runs
from safegrid.runtime.processes import Process
from safegrid.workflow.lock import LOCKS, clear_crashed_run, end_run


@pytest.fixture
def sleeper():
    """A process that carries a run's id, as a job or an engine does."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, runs.RUN: "test-run"},
    )
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def leave(tmp_path, monkeypatch):
    """Return a function that leaves a lock here, as the run of an owner did."""
    monkeypatch.chdir(tmp_path)
    LOCKS.mkdir(parents=True)

    def left(**owner):
        (LOCKS / "0.input.lock").touch()
        if owner:
            dead = {"run": "test-run", "host": socket.gethostname(), "started": 0.0}
            write_json(runs.OWNER_FILE, dead | {"pid": 2**22 + 1} | owner)

    return left


def test_a_dead_owner_is_cleared_with_its_orphans_and_what_it_was_writing(
    leave, sleeper, caplog
):
    leave(started=0.0)
    bases = Path("results/bases")
    name = f".mini.{max(psutil.pids()) + 10_000}@{socket.gethostname()}.abcdefgh"
    (bases / name).mkdir(parents=True)
    (bases / "mini").mkdir()
    assert clear_crashed_run()
    assert not psutil.pid_exists(sleeper.pid)
    assert [path.name for path in bases.iterdir()] == ["mini"]
    assert "removed 1 hidden files" in caplog.text


def test_a_dead_owner_that_nobody_waited_for_is_dead(leave):
    child = subprocess.Popen([sys.executable, "-c", ""])
    started = Process.of(child.pid).started
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    leave(pid=child.pid, started=started)
    assert clear_crashed_run()
    child.wait()


def test_a_living_owner_is_refused(leave):
    me = dataclasses.asdict(Process.me())
    leave(**me)
    with pytest.raises(SafegridError, match=f"a run is at work.*{me['pid']}"):
        clear_crashed_run()
    (LOCKS / "0.input.lock").unlink()
    with pytest.raises(SafegridError, match="a run is at work"):
        clear_crashed_run()
    # A number that was given again is not the owner.
    leave(**me | {"started": 1.0})
    assert clear_crashed_run()


def test_an_unlocked_folder_is_left_alone(leave):
    assert not clear_crashed_run()


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        ({"pid": 1, "host": "elsewhere"}, r"elsewhere.*--unlock"),
        ({}, "no run recorded itself as the owner.*snakemake --unlock"),
    ],
)
def test_an_owner_that_cannot_be_seen_is_refused_with_the_command(leave, owner, words):
    leave(**owner)
    with pytest.raises(SafegridError, match=words):
        clear_crashed_run()


@pytest.mark.parametrize("text", ["[1]", "", '{"pid": 1', '{"pid": 1, "run": "r"}'])
def test_an_owner_file_of_another_shape_is_told_with_the_command(leave, tmp_path, text):
    runs.OWNER_FILE.write_text(text)
    with pytest.raises(SafegridError, match=r"holds no Owner.*`rm -r .*owner\.json`"):
        clear_crashed_run()
    with pytest.raises(SafegridError, match="a folder; expected a JSON file"):
        runs.read_owner(tmp_path)


@pytest.mark.parametrize("command", [["./snakemake"], ["-m", "snakemake"]])
def test_a_snakemake_that_has_not_recorded_itself_yet_is_refused(
    leave, tmp_path, command
):
    leave(started=0.0)
    for name in ("snakemake", "snakemake.py"):
        (tmp_path / name).write_text("import time; time.sleep(60)")
    for environment, refused in (({}, True), ({runs.RUN: "test-run"}, False)):
        words, variables = [sys.executable, *command], {**os.environ} | environment
        process = subprocess.Popen(words, env=variables)
        try:
            # A process that just began may not have its command line yet.
            while not psutil.Process(process.pid).cmdline():
                time.sleep(0.01)
            if refused:
                with pytest.raises(SafegridError, match=f"at work.*{process.pid}"):
                    clear_crashed_run()
            else:
                assert clear_crashed_run()
        finally:
            process.kill()
            process.wait()


def test_jobs_inherit_the_identity_of_their_run(monkeypatch, tmp_path):
    monkeypatch.setenv(runs.RUN, "given")
    assert runs.announce(tmp_path)[runs.RUN] == "given"
    monkeypatch.delenv(runs.RUN)
    monkeypatch.delenv(runs.OWNER_PID, raising=False)
    assert runs.announce(tmp_path)[runs.OWNER_PID] == str(os.getpid())


def programs(folder, *names):
    """Make a folder of programs that do nothing, and return its path."""
    folder.mkdir()
    for name in names:
        (folder / name).touch(mode=0o755)
    return str(folder)


def test_jobs_find_the_programs_of_their_run_without_activation(monkeypatch, tmp_path):
    ours = programs(tmp_path / "ours", "python", "snakemake")
    other = programs(tmp_path / "other", "python", "safegrid")
    half = programs(tmp_path / "half", "snakemake")
    tools = programs(tmp_path / "tools", "sacct")
    monkeypatch.setattr(sys, "executable", f"{ours}/python")
    for first in ([other], [half, ours], []):
        path = os.pathsep.join([*first, tools])
        monkeypatch.setenv("PATH", path)
        assert runs.announce(tmp_path)["PATH"] == os.pathsep.join([ours, path])
    # A wrapper of a cluster's command stays first.
    activated = os.pathsep.join([tools, ours, other])
    assert runs.path_to_ours(activated) == activated


JOB = """
import sys, time
from safegrid import cli; from safegrid.runtime import runs
from safegrid.commands import COMMANDS, Command

def work():
    print("on", flush=True)
    time.sleep(60)

runs.POLL_SECONDS = 0.05
cli.work = work
COMMANDS["collect"] = Command("safegrid.cli:work", "")
sys.exit(cli.run(["collect"]))
"""


def owned(pid, **environment):
    """Return the environment of a job whose run has this process."""
    kept = {k: v for k, v in os.environ.items() if k != "SLURM_JOB_ID"}
    return {**kept, runs.OWNER_PID: str(pid), "PYTHONPATH": "src", **environment}


def test_any_job_ends_when_its_run_is_gone():
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    job = subprocess.Popen(
        [sys.executable, "-c", JOB], env=owned(owner.pid), stdout=subprocess.PIPE
    )
    assert job.stdout.readline() == b"on\n"
    assert job.poll() is None
    owner.kill()
    owner.wait()
    assert job.wait(timeout=60) == runs.EXIT_ORPHANED


def test_a_job_whose_run_is_gone_already_does_not_start(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv(runs.OWNER_PID, str(max(psutil.pids()) + 10_000))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    done = tmp_path / "done"
    monkeypatch.setattr(cli, "work", lambda: done.touch(), raising=False)
    work = {
        name: COMMANDS[name]._replace(call="safegrid.cli:work")
        for name in ("select", "end-run")
    }
    monkeypatch.setitem(COMMANDS, "select", work["select"])
    assert cli.run(["select"]) == 1
    assert "is gone; start the run again" in capsys.readouterr().err
    assert not done.exists()
    # What a user types needs no run, and comes after a dead one.
    monkeypatch.setitem(COMMANDS, "end-run", work["end-run"])
    assert cli.run(["end-run"]) == 0
    assert done.exists()
    monkeypatch.delenv(runs.OWNER_PID)
    assert runs.end_with_owner() is None, "nothing is watched"


def test_what_is_left_of_a_dead_run_is_ended_by_hand(leave, capsys, sleeper):
    leave(started=0.0)
    end_run()
    assert not psutil.pid_exists(sleeper.pid)
    assert "`snakemake --unlock`, then start again" in capsys.readouterr().out

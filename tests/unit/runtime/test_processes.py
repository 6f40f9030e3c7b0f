"""A process is told from a later one of the same number, and owns what it starts."""

import os
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from safegrid.core.errors import SafegridError
from safegrid.runtime.processes import Process
from safegrid.runtime.runs import OWNER_HOST, OWNER_PID, owner


@pytest.fixture
def owned(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A job's environment that names this process as its run's owner."""
    for name in (OWNER_HOST, "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(OWNER_PID, str(Process.me().pid))
    return monkeypatch


def test_a_reused_pid_is_not_the_old_process() -> None:
    me = Process.me()
    assert me.is_here()
    assert me.peak_megabytes() > 10
    assert me.is_alive()
    assert not replace(me, started=me.started - 100).is_alive()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    ended = Process.of(child.pid)
    assert not ended.is_alive()
    assert ended.peak_megabytes() is None


@pytest.mark.skipif(not psutil.LINUX, reason="elsewhere start times follow the clock")
def test_a_clock_that_is_set_makes_no_stranger_of_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me = Process.me()
    before, at_start = psutil.Process().create_time(), psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: at_start + 3600)
    assert psutil.Process().create_time() == pytest.approx(before + 3600)
    assert me.is_alive()


def test_ending_one_that_ignores_the_request_kills_it() -> None:
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(1, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    child.stdout.readline()
    Process.of(child.pid).end(patience=0.3)
    assert child.wait() == -9


def test_a_job_belongs_to_the_owner_that_its_environment_names(owned) -> None:
    assert owner() == Process.me()
    # One on another machine is not looked for, and by hand there is none.
    owned.setenv(OWNER_HOST, "elsewhere")
    assert owner() is None
    owned.delenv(OWNER_HOST)
    owned.delenv(OWNER_PID)
    assert owner() is None


# The shell stands for the job's first process, whose parent is not of the job; or a run
# is below it, as in an allocation that a user works in.
INSIDE = 'bash -c "$RUN"; true'


@pytest.mark.parametrize("below", [False, True])
def test_what_a_cluster_job_starts_ends_with_the_job_or_a_run_in_it(below) -> None:
    ask = "from safegrid.runtime.runs import owner; print(owner().pid)"
    run = f"echo $$; {sys.executable} -c '{ask}'; true"
    if below:
        run = f"export {OWNER_PID}=$$; {run}"
    job = {**os.environ, "SLURM_JOB_ID": "7", "PYTHONPATH": "src", "RUN": run}
    said = subprocess.run(
        ["bash", "-c", INSIDE if below else run],
        env=job,
        capture_output=True,
        text=True,
        check=True,
    )
    first, found = said.stdout.split()
    assert found == first


@pytest.mark.parametrize(
    "text", [str(max(psutil.pids()) + 10_000), "nobody"], ids=["gone", "nobody"]
)
def test_an_owner_that_is_gone_starts_nothing(
    owned: pytest.MonkeyPatch, text: str
) -> None:
    owned.setenv(OWNER_PID, text)
    with pytest.raises(SafegridError, match="is gone; start the run again"):
        owner()

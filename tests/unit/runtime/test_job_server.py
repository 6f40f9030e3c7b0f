"""Jobs that are forked behave as if they had been started."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from safegrid.commands import COMMANDS
from safegrid.runtime import job_server
from safegrid.runtime.forked_jobs import ONE_THREAD, SERVER, socket_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")

# A server whose jobs run their first argument as Python; one of "no" it does not take.
SERVE = """
import sys
from safegrid.runtime.job_server import fork_jobs, imported
imported("polars")
fork_jobs(lambda arguments: arguments[0] != "no", lambda: exec(sys.argv[1], {}))
"""
CLIENT = """
import sys
from safegrid.runtime.forked_jobs import run_forked
status = run_forked(sys.argv[1:])
sys.exit("not forked" if status is None else status)
"""


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A process that started a server, and its environment."""
    starter = f"""
import os, sys
from safegrid.runtime import job_server
job_server.START = {SERVE!r}
job_server.start_server()
print(os.environ[{SERVER!r}], flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", starter],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    folder = process.stdout.readline().strip()
    monkeypatch.setenv(SERVER, folder)
    monkeypatch.setenv(*ONE_THREAD)
    for name in ("SLURM_JOB_ID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    yield process
    process.kill()
    process.wait()
    wait_until(lambda: not Path(folder).exists())


def client(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def wait_until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_a_job_has_what_belongs_to_its_client(server, tmp_path):
    code = "import os, sys; print(os.getcwd(), os.environ['MINE'], sys.argv[2:])"
    job = client(code, "a", "b", cwd=tmp_path, env={**os.environ, "MINE": "yes"})
    said, errors = job.communicate()
    assert said.split("\n")[0] == f"{tmp_path} yes ['a', 'b']"
    assert job.returncode == 0, errors


@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("import sys; sys.exit()", 0, ""),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('a reason')", 1, "a reason\n"),
        ("raise ValueError('no')", 1, "ValueError: no\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
    ],
)
def test_a_job_ends_as_it_would_alone(server, code, status, told):
    job = client(code)
    _, errors = job.communicate()
    assert (job.returncode, errors[-len(told) :] if told else errors) == (status, told)


def test_threads_that_a_job_started_are_waited_for(server):
    wait = "import time; time.sleep(0.5); print('done')"
    job = client(
        f"import threading; threading.Thread(target=exec, args=({wait!r},)).start()"
    )
    assert job.communicate()[0] == "done\n"


def test_what_is_registered_for_the_end_is_done(server):
    job = client("import atexit; atexit.register(print, 'last words')")
    said, _ = job.communicate()
    assert said == "last words\n"


def running(server, tmp_path):
    """Start a job that waits, and return its client and its process."""
    place = tmp_path / "pid"
    code = f"import os, time; open({str(place)!r}, 'w').write(str(os.getpid()))"
    job = client(f"{code}\ntime.sleep(60)")
    wait_until(lambda: place.exists() and place.read_text())
    return job, psutil.Process(int(place.read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_goes_on_to_the_job(server, tmp_path, number):
    job, process = running(server, tmp_path)
    job.send_signal(number)
    _, errors = job.communicate(timeout=20)
    assert job.returncode == -number, errors
    assert ("KeyboardInterrupt" in errors) == (number == signal.SIGINT)
    assert not process.is_running()


def test_a_job_ends_with_a_client_that_is_killed(server, tmp_path):
    job, process = running(server, tmp_path)
    job.kill()
    job.communicate()
    wait_until(lambda: not process.is_running())


def test_clients_that_break_off_harm_no_other(server):
    for said in (b"", b"\0" * 8, b"\0" * 7 + b"\x09{"):
        with (
            socket.socket(socket.AF_UNIX) as broken,
            socket_of(os.environ[SERVER]) as to,
        ):
            broken.connect(to)
            broken.sendall(said)
    assert client("pass").wait(timeout=20) == 0


def test_all_ends_with_the_run(server, tmp_path):
    job, process = running(server, tmp_path)
    server.kill()
    job.communicate(timeout=20)
    assert job.returncode != 0
    wait_until(lambda: not process.is_running())


def test_the_folder_of_a_server_that_was_ended_goes_with_the_run():
    run = """
import os
from safegrid.runtime import job_server
job_server.START = ""
job_server.start_server()
print(os.environ[job_server.SERVER], os.path.exists(os.environ[job_server.SERVER]))
"""
    said = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True)
    folder, there = said.stdout.split()
    assert there == "True"
    assert not Path(folder).exists()


def test_jobs_are_forked_side_by_side(server, tmp_path):
    first, _ = running(server, tmp_path)
    assert client("pass").wait(timeout=20) == 0
    assert first.poll() is None
    first.kill()
    first.communicate()


def test_nothing_is_begun_without_a_server(server, monkeypatch):
    assert client("no").communicate()[1] == "not forked\n"
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert client("print('done')").communicate() == ("", "not forked\n")
    monkeypatch.delenv("SLURM_JOB_ID")
    other = {**os.environ, "HF_HUB_OFFLINE": "of another"}
    assert client("print('done')", env=other).communicate() == ("", "not forked\n")
    monkeypatch.setenv(SERVER, "/nowhere")
    assert client("print('done')").communicate() == ("", "not forked\n")


@pytest.mark.slow
def test_imports_of_commands_leave_no_lock_to_inherit():
    jobs = [one for one in COMMANDS.values() if one.job]
    named = [(*one.imports, one.call.split(":")[0]) for one in jobs]
    code = f"""
from safegrid.runtime import job_server
assert job_server.imported(*{list(dict.fromkeys(sum(named, ())))!r})
print(job_server.busy_threads())
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **job_server.SETTINGS},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_thread_at_work_is_named():
    code = """
import threading
from safegrid.runtime.job_server import busy_threads
threading.Thread(target=threading.Event().wait, daemon=True).start()
print(len(busy_threads()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


def test_forked_jobs_read_and_write_tables(server, tmp_path):
    code = """
import sys, polars
frame = polars.DataFrame({"a": list(range(1000)), "b": [i % 7 for i in range(1000)]})
frame.write_parquet(sys.argv[2])
print(polars.read_parquet(sys.argv[2]).group_by("b").len()["len"].sum())
"""
    jobs = [client(code, str(tmp_path / f"{i}.parquet")) for i in range(8)]
    assert [job.communicate(timeout=60) for job in jobs] == [("1000\n", "")] * 8

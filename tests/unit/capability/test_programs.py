"""What a program must do to pass, and what it cannot reach: in a sandbox, without."""

import logging
import os
import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import psutil
import pytest

from safegrid.capability import programs
from safegrid.capability.programs import (
    NotStartedError,
    check_consent,
    coding,
    find_sandbox,
    passes,
    recorded,
)
from safegrid.capability.sandbox import BWRAP, NONE, UNSHARE, shown
from safegrid.core.consent import RUN_CODE, allowed
from safegrid.core.errors import ConfigError
from safegrid.runtime.runs import RUN, end_processes, processes_of

CODING, PLAIN = SimpleNamespace(UNSAFE_CODE=True), SimpleNamespace()


def works(sandbox):
    try:
        return passes("pass", sandbox)
    except (NotStartedError, OSError):
        return False


@pytest.fixture(params=[BWRAP, UNSHARE], ids=lambda sandbox: sandbox.name)
def sandbox(request):
    if not works(request.param):
        pytest.skip(f"{request.param.name} makes no sandbox on this machine")
    return request.param


# --------------------------------------------------------------- with or without

PROGRAMS = [
    ("assert 1 + 1 == 2", True),
    ("print('é')\nimport math, collections\nassert math.floor(2.5) == 2", True),
    ("import threading\nt = threading.Thread()\nt.start()\nt.join()", True),
    ("open('made', 'w').write('x')\nassert open('made').read() == 'x'", True),
    ("import os\nassert not os.listdir() and set(os.environ) < {'OMP_NUM_THREADS',"
     " 'LC_CTYPE', 'PWD', 'OLDPWD', 'LD_LIBRARY_PATH', 'SAFEGRID_RUN'}", True),
    ("assert 1 + 1 == 3", False),
    ("def broken(:", False),
    ("import sys\nsys.exit(0)", False),
    ("raise SystemExit", False),
    ("input()", False),
    ("x = 'a' * 2 ** 40", False),
    ("x = bytearray(8 * 2 ** 30)", False),
    ("open('large', 'wb').write(bytes(2 ** 21))", False),
    ("import os\nos.fork()", False),
    ("import subprocess\nsubprocess.run(['true'])", False),
    ("import signal, time\nsignal.setitimer(0, 0.1)\ntime.sleep(0.6)", False),
    ("import ctypes\nctypes.string_at(0)", False),
]  # fmt: skip


@pytest.mark.parametrize(("program", "right"), PROGRAMS)
def test_a_program_passes_when_it_comes_to_its_end(program, right):
    assert passes(program, NONE) is right


@pytest.mark.slow
def test_programs_pass_in_a_sandbox_as_they_do_without(sandbox):
    found = [passes(program, sandbox) for program, _ in PROGRAMS]
    assert found == [right for _, right in PROGRAMS]


def test_a_program_that_does_not_end_is_ended():
    started = time.monotonic()
    assert not passes("while True:\n    pass", NONE, seconds=0.5)
    assert time.monotonic() - started < 5


# Each of four processes takes a part of what all may have.
SHARES = """
import ctypes, time
for _ in range(2):
    ctypes.CDLL(None).fork()
kept = b"x" * (40 * 2**20)
time.sleep(1.5)
"""


def test_all_processes_of_a_program_have_one_limit_of_memory(monkeypatch):
    assert passes(SHARES, NONE)
    monkeypatch.setattr(programs, "MEMORY", 120 * 2**20)
    assert not passes(SHARES, NONE)


@pytest.mark.parametrize("closed", [NONE, BWRAP, UNSHARE], ids=lambda one: one.name)
def test_a_program_is_found_and_ended_with_its_run(monkeypatch, closed):
    if not works(closed):
        pytest.skip(f"{closed.name} makes no sandbox on this machine")
    monkeypatch.setenv(RUN, run := uuid.uuid4().hex)
    with ThreadPoolExecutor() as pool:
        # Left alone it would pass: it ends before its time does.
        found = pool.submit(passes, "import time\ntime.sleep(20)", closed, 60.0)
        while not found.done():
            end_processes(run, grace=1.0)
            time.sleep(0.05)
        # It may be too early for it to have started.
        with suppress(NotStartedError):
            assert found.result() is False
    assert not processes_of(run)


def test_a_mistake_sees_no_variables_and_deletes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "made")
    kept, here = tmp_path / "kept", set(os.listdir())
    kept.write_text("kept")
    # It runs in a folder of its own.
    assert passes("open('made', 'w').write('x')", NONE)
    assert set(os.listdir()) == here
    assert passes("import os\nassert 'HF_TOKEN' not in os.environ", NONE)
    assert not passes(f"import os\nos.remove({str(kept)!r})", NONE)
    assert not passes(f"import shutil\nshutil.rmtree({str(tmp_path)!r})", NONE)
    assert kept.read_text() == "kept"


# ------------------------------------------------------- harm, held in a sandbox

# `guarded.py` takes these calls away by their names alone.
SYSTEM = "import ctypes, os, sys\nsystem = ctypes.CDLL(None)\n"


@pytest.mark.slow
def test_nothing_is_written_outside_of_a_sandbox(sandbox, tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("kept")
    for path in (kept, tmp_path / "made"):
        assert not passes(f"open({str(path)!r}, 'a').write('x')", sandbox)
    # What it does see, it cannot change, and not by a name of its own either.
    for place in (os.path.dirname(os.__file__), *filter(os.path.isdir, shown())):
        assert not passes(f"open({place!r} + '/made', 'w')", sandbox)
    remount = "assert system.mount(b'none', b'/usr', None, 4096 | 32, None) == 0"
    assert not passes(SYSTEM + remount, sandbox)
    assert kept.read_text() == "kept"
    assert os.listdir(tmp_path) == ["kept"]


def daemon(name, seconds):
    """Return a program that leaves a process of a name, and takes so long itself."""
    return (
        f"{SYSTEM}import time\nif system.fork() == 0:\n    system.setsid()\n"
        f"    if system.fork() == 0:\n        system.prctl(15, {name.encode()!r})\n"
        f"        time.sleep(60)\ntime.sleep({seconds})"
    )


def named(name):
    return [p for p in psutil.process_iter(["name"]) if p.info["name"] == name]


@pytest.mark.slow
@pytest.mark.parametrize("ends", [True, False])
def test_no_daemon_outlives_a_program_in_a_sandbox(sandbox, ends):
    name = f"sg-{os.getpid()}-{sandbox.name[:3]}{ends:d}"
    assert passes(daemon(name, 0.3 if ends else 60), sandbox, seconds=1.5) is ends
    deadline = time.monotonic() + 5
    while named(name) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not named(name)


@pytest.mark.slow
def test_no_socket_of_the_machine_can_be_reached_from_a_sandbox(sandbox, tmp_path):
    path = tmp_path / "socket"
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(path))
    local.listen()
    with local, socket.create_server(("127.0.0.1", 0)) as server:
        there = server.getsockname()
        dial = f"import socket\nsocket.create_connection({there!r}, 1)"
        call = f"import socket\nsocket.socket(socket.AF_UNIX).connect({str(path)!r})"
        assert passes(dial, NONE)
        assert passes(call, NONE)
        assert not passes(dial, sandbox)
        assert not passes(call, sandbox)


@pytest.mark.slow
def test_other_files_processes_and_their_variables_are_not_seen(sandbox, tmp_path):
    (tmp_path / "key").write_text("made")
    me = os.getpid()
    read = f"assert open({str(tmp_path / 'key')!r}).read()"
    look = f"assert open('/proc/{me}/environ', 'rb').read()"
    signal = f"{SYSTEM}assert system.kill({me}, 0) == 0"
    for harm in (look, signal, read):
        assert passes(harm, NONE)
        assert not passes(harm, sandbox)


@pytest.mark.slow
def test_a_program_may_fill_little_memory_with_files(sandbox):
    fill = (
        "import errno\ntry:\n    for n in range(200):\n"
        "        open(f'{n}', 'wb').write(bytes(2 ** 20))\n"
        "except OSError as error:\n    assert error.errno == errno.ENOSPC\n"
        "assert 50 < n < 70"
    )
    assert passes(fill, sandbox)


# ----------------------------------------------------- which one works is tried out


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Replaces the commands that make sandboxes by shell scripts."""

    def replace(**scripts):
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        return find_sandbox.__wrapped__()

    return replace


def test_a_command_that_is_there_and_fails_is_not_used(commands):
    sandbox, failed = commands(bwrap="echo 'no new namespace' >&2; exit 1")
    assert sandbox is NONE
    told = "bwrap: a program's process ended: no new namespace; unshare: not installed"
    assert failed == f" (no sandbox works here: {told})"


def test_a_command_that_closes_nothing_in_is_not_used(commands):
    bare = 'while [ "$1" != -I ]; do python="$1"; shift; done; exec "$python" "$@"'
    sandbox, failed = commands(bwrap=bare, unshare="exit 7")
    assert sandbox is NONE
    assert "bwrap does not close in" in failed
    assert "unshare: a program's process ended: without a word" in failed


def test_a_program_that_cannot_begin_has_not_failed(monkeypatch):
    monkeypatch.setattr("safegrid.capability.sandbox.PYTHON", ["/bin/false"])
    monkeypatch.setattr(programs, "PYTHON", ["/bin/false"])
    with pytest.raises(NotStartedError, match="ended: without a word"):
        passes("pass", NONE)


# ------------------------------------------------------------------------ consent


def test_consent_is_given_task_by_task(monkeypatch):
    assert coding({"plain": PLAIN, "one": CODING, "two": CODING}) == ["one", "two"]
    tasks = {"plain": [], "one": ["one"], "group": ["two", "three"]}
    monkeypatch.setattr(programs, "find_sandbox", lambda: (BWRAP, ""))
    monkeypatch.setenv(RUN_CODE, "one, other")
    with pytest.raises(ConfigError, match=r"scoring group runs .* SAFEGRID_RUN_CODE=g"):
        check_consent(tasks)
    monkeypatch.setenv(RUN_CODE, "one, two")
    with pytest.raises(ConfigError, match="set SAFEGRID_RUN_CODE=group"):
        check_consent(tasks)
    for given in ("one, two, three", "one, group"):
        monkeypatch.setenv(RUN_CODE, given)
        check_consent(tasks)
    monkeypatch.delenv(RUN_CODE)
    assert not allowed(RUN_CODE, "one")
    assert not allowed(RUN_CODE, "")
    check_consent({"plain": []})


def test_consent_knows_what_is_held_and_what_is_not(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    tasks = {"one": ["one"]}
    for found, held in (
        ((UNSHARE, ""), "in a sandbox (unshare), where it has no network"),
        ((NONE, " (no sandbox works here: why)"), "it can run commands, read and"),
    ):
        monkeypatch.setattr(programs, "find_sandbox", lambda found=found: found)
        monkeypatch.delenv(RUN_CODE, raising=False)
        with pytest.raises(ConfigError) as refused:
            check_consent(tasks)
        assert held in str(refused.value)
        assert found[1] in str(refused.value)
        monkeypatch.setenv(RUN_CODE, "one")
        check_consent(tasks)
        assert held in caplog.text
        assert recorded({"one": CODING}) == {"sandbox": found[0].name}
    assert caplog.records[-1].levelname == "WARNING"
    assert recorded({"plain": PLAIN}) == {}

"""Signals to `make study`, and to all that stands around it: the whole run ends.

The tests follow each other in one folder, so that each also shows that the run after a
signal starts, with what was finished before.
"""

import os
import signal
import time

import psutil
import pytest

from made_up_run import MAKE, SECONDS, STUDY, MadeUpRun

CTRL_C = "\x03"


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """The folder, and its run."""
    run = MadeUpRun(tmp_path_factory.mktemp("signals"))
    yield run
    run.end()


def to_one(number, name):
    """Send a signal to the oldest process of a name, from the command downward."""

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


TWICE = to_group(signal.SIGINT, signal.SIGINT)
HUNG_UP = to_group(signal.SIGHUP, signal.SIGTERM)


@pytest.mark.parametrize(
    ("command", "send", "name"),
    [
        pytest.param(STUDY, to_one(signal.SIGTERM, "study"), "SIGTERM", id="study"),
        pytest.param(MAKE, to_one(signal.SIGTERM, "make"), "SIGTERM", id="make"),
        pytest.param(MAKE, TWICE, "SIGINT", id="group-twice"),
        pytest.param(
            ("timeout", "600", *MAKE),
            to_one(signal.SIGTERM, "timeout"),
            "SIGTERM",
            id="timeout",
        ),
        pytest.param(("nohup", *MAKE), HUNG_UP, "SIGTERM", id="nohup"),
    ],
)
def test_one_signal_ends_all_of_a_run(made_up, command, send, name):
    process = made_up.start(*command)
    send(process)
    assert process.wait(SECONDS) != 0
    end = f"study made-up: the run was ended by {name}; start again to go on"
    assert end in made_up.said
    assert "answers and checkpoints are kept" in made_up.said
    assert "Traceback" not in made_up.said
    made_up.assert_ended()
    made_up.assert_free()


def test_ctrl_c_in_a_terminal_ends_all_of_a_run_and_more_of_them_change_nothing(
    made_up,
):
    stubborn = made_up.folder / "stubborn"
    stubborn.touch()
    terminal = made_up.start_in_terminal(*MAKE)
    stubborn.unlink()
    for _ in range(3):
        terminal.type(CTRL_C)
        time.sleep(0.3)
    assert terminal.wait() != 0
    assert "the run was ended by SIGINT" in terminal.shown
    assert "Traceback" not in terminal.shown
    made_up.assert_ended()
    made_up.assert_free()
    terminal.close()


def test_a_run_ends_with_its_terminal(made_up):
    terminal = made_up.start_in_terminal(*MAKE)
    terminal.close()
    terminal.wait()
    made_up.assert_ended()
    made_up.assert_free()


@pytest.mark.parametrize("name", ["make study", "safegrid study"])
def test_what_is_killed_at_once_takes_the_rest_along(made_up, name):
    process = made_up.start(*MAKE)
    to_one(signal.SIGKILL, name)(process)
    assert process.wait(SECONDS) != 0
    made_up.assert_ended()


def test_the_run_after_all_signals_goes_on(made_up):
    made_up.finish(MAKE)

"""A probe that gives no answer is told by what it left."""

import threading
import time

import pytest

from safegrid.doctor.job import Probe, last_words, seconds_until


@pytest.fixture
def probe(tmp_path):
    return Probe("partition gpu", tmp_path, ["sbatch"], ())


def test_without_a_log_the_folder_is_another_one_there(probe):
    assert "is not the same folder on that node" in last_words(probe)


def test_with_a_log_its_last_line_is_told(probe):
    probe.log.write_text("module loaded\nModuleNotFoundError: safegrid\n\n")
    assert last_words(probe) == "ModuleNotFoundError: safegrid"
    probe.log.write_text("")
    assert last_words(probe) == "it printed nothing"


def test_an_answer_that_comes_late_is_waited_for(probe):
    threading.Timer(0.2, probe.answer.touch).start()
    start = time.monotonic()
    seconds = seconds_until(probe.answer, patience=30)
    assert seconds is not None
    assert 0.1 < seconds <= time.monotonic() - start


def test_an_answer_that_does_not_come_is_given_up(probe):
    assert seconds_until(probe.answer, patience=0.1) is None

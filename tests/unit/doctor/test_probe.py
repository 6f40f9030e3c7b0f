"""A probe asks for a node's GPUs; one that gives no answer is told by what it left."""

import threading
import time

import pytest

from safegrid.doctor.probe import Probe, gpus_of, seconds_until


@pytest.fixture
def probe(tmp_path):
    return Probe("node of partition gpu", tmp_path, ["sbatch"], 0)


@pytest.mark.parametrize(
    ("asked", "gpus"),
    [
        ({}, 0),
        ({"gres": "gpu"}, 1),
        ({"gres": "gpu:h200"}, 1),
        ({"gres": "shard:8,gpu:h200:4"}, 4),
        ({"gpu_model": "h200"}, 1),
        ({"gpu": 8, "nodes": 2}, 4),
    ],
)
def test_gpus_of_a_node_are_counted(asked, gpus):
    assert gpus_of(asked) == gpus


def test_the_last_words_of_a_probe_are_told(probe):
    assert "is not the same folder on that node" in probe.last_words()
    probe.log.write_text("module loaded\nModuleNotFoundError: safegrid\n\n")
    assert probe.last_words() == "ModuleNotFoundError: safegrid"
    probe.log.write_text("")
    assert probe.last_words() == "it printed nothing"


def test_an_answer_that_comes_late_is_waited_for_and_then_given_up(probe):
    assert seconds_until(probe.answer, patience=0.1) is None
    threading.Timer(0.2, probe.answer.touch).start()
    start = time.monotonic()
    seconds = seconds_until(probe.answer, patience=30)
    assert seconds is not None
    assert 0.1 < seconds <= time.monotonic() - start

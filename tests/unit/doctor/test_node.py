"""What a node sees is compared with the machine that asked."""

from dataclasses import asdict

import pytest

from safegrid.core.files import read_record, write_json
from safegrid.doctor import node

VARIABLES = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "0,1"}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Return a caller for what is not as it should be on a node that differs so."""
    for name in ("results/", "HF_HOME"):
        (tmp_path / name).mkdir()

    def call(seen=None, gpus=2, cuda=2, **variables):
        marks = seen or {name: str(tmp_path / name) for name in ("results/", "HF_HOME")}
        monkeypatch.setattr(node, "cuda_devices", lambda: cuda)
        question = node.NodeQuestion(marks, node.environment(), gpus)
        found = node.look_around(question, VARIABLES | variables)
        return [(state, text) for state, text in found if state != "ok"]

    return call


def test_a_node_like_this_machine_is_fine(told):
    assert told() == []
    assert told(gpus=0, cuda=0, CUDA_VISIBLE_DEVICES="") == [], "none was asked for"


@pytest.mark.parametrize(
    ("changed", "state", "text"),
    [
        ({"seen": {"results/": "/none"}}, "fail", "results/ is not the same folder"),
        ({"seen": {"HF_HOME": "/none"}}, "warn", "HF_HOME is not the same folder"),
        ({"HF_HUB_OFFLINE": "0"}, "fail", "HF_HUB_OFFLINE is '0'"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "fail", "CUDA_VISIBLE_DEVICES is ''"),
        ({"cuda": None}, "warn", "no NVIDIA driver"),
        ({"cuda": 0}, "fail", "torch sees 0"),
        ({"cuda": 1}, "fail", "torch sees 1"),
        ({"SAFEGRID_RUN_DIR": "/dev/null/x"}, "fail", "/dev/null/x: Not a directory"),
    ],
)
def test_what_is_otherwise_there_is_told(told, changed, state, text):
    ((found, said),) = told(**changed)
    assert found == state
    assert text in said


def test_another_version_there_is_told_with_both(tmp_path):
    here = node.environment()
    question = node.NodeQuestion({}, {**here, "torch": "1.0"}, 0)
    write_json(tmp_path / "ask.json", asdict(question))
    node.probe_node(tmp_path / "ask.json", tmp_path / "answer.json")
    found = read_record(tmp_path / "answer.json", node.NodeAnswer).found
    (text,) = (text for _, text in found if "another environment" in text)
    assert f"torch {here['torch']}, where it was asked 1.0" in text


def test_locks_that_do_nothing_are_seen(tmp_path, monkeypatch):
    assert node.locks(tmp_path / "engines") == ""
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    assert "two processes can hold the same lock" in node.locks(tmp_path)

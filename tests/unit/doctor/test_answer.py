"""What a node answers is compared with what is here."""

import pytest

from safegrid.doctor import node
from safegrid.doctor.answer import look_at_answer
from safegrid.doctor.site import Gres

GPU = (Gres("gpu", None, 2),)


@pytest.fixture
def answer():
    return {
        "token": "t",
        "node": "n1",
        "seen": {"results/": True, "HF_HOME": True},
        "environment": node.environment(),
        "offline": "1",
        "gpus": "0,1",
        "cuda": 2,
        "locks": "",
    }


def states(answer, gres=GPU):
    found = look_at_answer("node", node.Answer(**answer), "t", gres)
    return [(f.state, f.text) for f in found]


def test_a_node_like_this_machine_is_fine(answer):
    assert {state for state, _ in states(answer)} == {"ok"}


@pytest.mark.parametrize(
    ("part", "value", "state", "text"),
    [
        ("token", "other", "fail", "another question"),
        ("seen", {"results/": False}, "fail", "results/ is not the same folder"),
        ("seen", {"HF_HOME": False}, "warn", "HF_HOME is not the same folder"),
        ("offline", "0", "fail", "HF_HUB_OFFLINE is '0'"),
        ("gpus", "", "fail", "CUDA_VISIBLE_DEVICES is ''"),
        ("cuda", None, "warn", "no NVIDIA driver"),
        ("cuda", 0, "fail", "torch sees 0"),
        ("cuda", 1, "fail", "torch sees 1"),
        ("locks", "/x: Function not implemented", "fail", "/x: Function not"),
    ],
)
def test_what_is_otherwise_there_is_told(answer, part, value, state, text):
    wrong = [(s, t) for s, t in states({**answer, part: value}) if s != "ok"]
    assert [s for s, _ in wrong] == [state]
    assert text in wrong[0][1]


def test_another_version_there_is_told_with_both(answer):
    there = {**answer["environment"], "torch": "1.0"}
    here = answer["environment"]["torch"]
    ((_, text),) = (
        found
        for found in states({**answer, "environment": there})
        if found[0] == "fail"
    )
    assert f"torch 1.0, here {here}" in text


def test_gpus_are_looked_at_only_where_one_was_asked_for(answer):
    answer |= {"gpus": "", "cuda": 0}
    assert {state for state, _ in states(answer, gres=())} == {"ok"}


def test_locks_hold_on_a_local_disk_and_not_where_nothing_can_be_written(tmp_path):
    assert node.locks(tmp_path / "engines") == ""
    (tmp_path / "file").touch()
    assert "Not a directory" in node.locks(tmp_path / "file" / "below")


def test_locks_that_do_nothing_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    assert "two processes can hold the same lock" in node.locks(tmp_path)

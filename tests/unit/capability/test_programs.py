"""What a program must do to pass, and what it cannot reach."""

import os
import time

import pytest

from safegrid.capability.programs import check_consent, passes
from safegrid.consent import RUN_CODE, allowed
from safegrid.errors import ConfigError


class Coding:
    UNSAFE_CODE = True


@pytest.mark.parametrize(
    ("program", "right"),
    [
        ("assert 1 + 1 == 2", True),
        ("print('é')\nimport math, collections\nassert math.floor(2.5) == 2", True),
        ("assert 1 + 1 == 3", False),
        ("def broken(:", False),
        ("import sys\nsys.exit(0)", False),
        ("raise SystemExit", False),
        ("input()", False),
        ("x = 'a' * 2 ** 40", False),
        ("import os\nos.fork()", False),
        ("import subprocess\nsubprocess.run(['true'])", False),
    ],
)
def test_a_program_passes_when_it_comes_to_its_end(program, right):
    assert passes(program) is right


def test_a_program_that_does_not_end_is_ended():
    started = time.monotonic()
    assert not passes("while True:\n    pass", seconds=0.5)
    assert time.monotonic() - started < 5


def test_a_program_sees_no_variables_and_deletes_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "made")
    kept = tmp_path / "kept"
    kept.write_text("kept")
    assert passes("import os\nassert 'HF_TOKEN' not in os.environ")
    assert not passes(f"import os\nos.remove({str(kept)!r})")
    assert not passes(f"import shutil\nshutil.rmtree({str(tmp_path)!r})")
    assert kept.read_text() == "kept"


def test_a_program_runs_in_a_folder_of_its_own():
    here = set(os.listdir())
    assert passes("open('made', 'w').write('x')")
    assert set(os.listdir()) == here


def test_consent_is_given_task_by_task(monkeypatch):
    tasks = {"plain": object(), "one": Coding(), "two": Coding()}
    monkeypatch.setenv(RUN_CODE, "one, other")
    with pytest.raises(ConfigError, match=r"scoring two runs .* set SAFEGRID_RUN_CODE"):
        check_consent(tasks)
    monkeypatch.setenv(RUN_CODE, "one, two")
    check_consent(tasks)
    monkeypatch.delenv(RUN_CODE)
    assert not allowed(RUN_CODE, "one")
    assert not allowed(RUN_CODE, "")
    check_consent({"plain": object()})

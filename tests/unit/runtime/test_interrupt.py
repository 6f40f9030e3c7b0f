"""An interrupt: `safegrid study` gives Snakemake the time to end in its own way."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import safegrid
from safegrid.runtime.runs import OWNER_FILE, OWNER_PID, processes_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SNAKEMAKE = """
import signal, sys, time
if "--dry-run" in sys.argv:
    print("rule train:\\n    output: made\\n\\ntrain    1\\ntotal    1")
    sys.exit(0)

def end(*_):
    time.sleep(0.5)  # jobs are ended, the lock is taken off
    open("ended", "w").close()
    sys.exit(1)

signal.signal(signal.SIGINT, end)
open("began", "w").close()
time.sleep(60)
"""


@pytest.fixture
def study(tmp_path):
    """`safegrid study` over a stand-in of Snakemake, leading a group of processes."""
    (tmp_path / "Snakefile").touch()
    (tmp_path / "config").symlink_to(ROOT / "config")
    (tmp_path / "snakemake.py").write_text(SNAKEMAKE)
    process = subprocess.Popen(
        [sys.executable, "-m", "safegrid", "study", "--study", "tiny", "--cores", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(safegrid.__file__).parents[1])},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    signs = (tmp_path / "began", tmp_path / OWNER_FILE)
    while not all(sign.exists() for sign in signs):
        assert process.poll() is None
    yield process
    process.kill()
    process.wait()


def test_an_interrupt_lets_snakemake_end_in_its_own_way(study, tmp_path):
    os.killpg(study.pid, signal.SIGINT)
    error = study.communicate()[1]
    assert (tmp_path / "ended").exists()
    assert study.returncode == 130
    assert "the run was ended by SIGINT; start again to go on" in error
    assert "Traceback" not in error


def test_a_run_is_recorded_before_it_takes_the_lock(study, tmp_path):
    owner = json.loads((tmp_path / OWNER_FILE).read_text())
    assert owner["pid"] == study.pid
    [snakemake] = processes_of(owner["run"])
    assert snakemake.environ()[OWNER_PID] == str(study.pid)

"""Snakemake's own process stays idle between the ends of jobs."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.grid

ROOT = Path(__file__).parents[2]
JOBS = 30

SNAKEFILE = """
import threading
from pathlib import Path

include: {root!r} + "/rules/hooks.smk"

rule all:
    input: expand("made/{{n}}", n=range({jobs}))

rule job:
    output: "made/{{n}}"
    localrule: True
    shell: "touch {{output:q}}"

onstart:
    if {dropped}:
        drop_job_rate()

onsuccess:
    timers = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
    Path("timers").write_text(str(len(timers)))
"""


@pytest.mark.parametrize("dropped", [True, False])
def test_no_timers_are_left_by_jobs(dropped, tmp_path):
    """Without the hook there are some, else it is needed no more."""
    text = SNAKEFILE.format(root=str(ROOT), jobs=JOBS, dropped=dropped)
    (tmp_path / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert len(list((tmp_path / "made").iterdir())) == JOBS
    left = int((tmp_path / "timers").read_text())
    assert left == 0 if dropped else left > JOBS / 2

"""The environment's programs, called by their paths: nobody needs to activate it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = "results/raw/tiny-correction-rows/train.jsonl"
WITHOUT = ("SAFEGRID_", "VIRTUAL_ENV", "PYTHONPATH")


def test_snakemake_by_its_path_runs_rules_with_the_same_python(tmp_path):
    ours = Path(sys.executable).parent
    shadow = tmp_path / "shadow"
    shadow.mkdir()
    for name in ("python", "snakemake", "safegrid"):
        (shadow / name).write_text("#!/bin/sh\nexit 99\n")
        (shadow / name).chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(WITHOUT)}
    path = [p for p in kept["PATH"].split(os.pathsep) if p != str(ours)]
    command = [ours / "snakemake", "--snakefile", ROOT / "Snakefile"]
    command += ["--cores", "1", "--config", "study=tiny", "--", ROWS]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**kept, "PATH": os.pathsep.join([str(shadow), *path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / ROWS).is_file()

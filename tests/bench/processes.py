"""What a process used: CPU and wall seconds, and its peak of memory."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(
    command: list[str], folder: Path | None = None
) -> tuple[dict[str, float], str]:
    """Run a command that must succeed, one thread each; what it used, and printed.

    Used are `cpu` and `wall` seconds, and `peak_mb` of memory.
    """
    began = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log
        )
        _, status, used = os.wait4(process.pid, 0)
        log.seek(0)
        said = log.read().decode()
    if status:
        sys.exit(f"{command[:4]} failed:\n{said[-3000:]}")
    spent = {
        "cpu": round(used.ru_utime + used.ru_stime, 2),
        "wall": round(time.perf_counter() - began, 2),
        "peak_mb": round(used.ru_maxrss / 1024),
    }
    return spent, said

"""Prerequisites of the jobs that a run plans, looked at by a process of its own.

`safegrid preflight` asks the network by the hub's client, which takes its time to load
and obeys a switch that this process may have set for its jobs.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path


def preflight(
    study: str,
    sources_dir: str | None,
    planned: Iterable[str],
    config: Path = Path("config"),
    capture: bool = False,
) -> subprocess.CompletedProcess[str]:
    """List what planned jobs need from outside; fails where something is missing.

    Args:
        study: a file of config/studies.
        sources_dir: the folder that `path` of a source, a base or a judge is below.
        planned: the files that the run is about to make.
        config: folder of the studies and registries.
        capture: keep what it says instead of printing it.
    """
    command = [sys.executable, "-m", "safegrid", "preflight", "--study", study]
    command += ["--config", str(config)]
    if sources_dir:
        command += ["--sources-dir", sources_dir]
    # As the jobs that fetch do it.
    online = {**os.environ, "HF_HUB_OFFLINE": "0"}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as stream:
        stream.write("\n".join(planned))
        stream.flush()
        command += ["--planned", stream.name]
        return subprocess.run(
            command, env=online, capture_output=capture, text=True, check=False
        )

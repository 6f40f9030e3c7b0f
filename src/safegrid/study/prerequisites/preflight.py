"""Prerequisites of the jobs that a run plans, looked at by a process of its own.

`safegrid preflight` asks the network by the hub's client, which takes its time to load
and obeys a switch that this process may have set for its jobs.
"""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

# As the jobs that fetch do it.
ONLINE = ("env", "HF_HUB_OFFLINE=0")


@contextmanager
def preflight_command(
    study: str,
    sources_dir: str | None,
    planned: Iterable[str],
    config: Path = Path("config"),
) -> Iterator[list[str]]:
    """Give the command that lists what planned jobs need from outside.

    It fails where something is missing, and can be run as long as the block runs.

    Args:
        study: a file of config/studies.
        sources_dir: the folder that `path` of a source, a base or a judge is below.
        planned: the files that the run is about to make.
        config: folder of the studies and registries.
    """
    command = [*ONLINE, sys.executable, "-m", "safegrid", "preflight"]
    command += ["--study", study, "--config", str(config)]
    if sources_dir:
        command += ["--sources-dir", sources_dir]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as stream:
        stream.write("\n".join(planned))
        stream.flush()
        yield [*command, "--planned", stream.name]

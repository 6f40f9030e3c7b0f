"""Prerequisites of a study: everything that it takes from outside of its results.

Files from the network and from folders of the user's, consents, variables, programs.
Asked while planning: nothing here touches the network or imports anything heavy.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from safegrid.study.prerequisites.environment import of_environment
from safegrid.study.prerequisites.files import of_files
from safegrid.study.prerequisites.prerequisite import (
    Prerequisite,
    listed,
    refusal,
    unmet,
)
from safegrid.study.upstreams import Upstreams

# As the jobs that fetch do it.
ONLINE = ("env", "HF_HUB_OFFLINE=0")

__all__ = [
    "Prerequisite",
    "is_file_there",
    "listed",
    "preflight_command",
    "prerequisites",
    "refusal",
    "unmet",
]


def prerequisites(
    upstreams: Upstreams,
    environment: Mapping[str, str],
    is_there: Callable[[str], bool],
) -> list[Prerequisite]:
    """List what a study needs, each with what asks for it and its state now.

    Args:
        upstreams: of the study.
        environment: variables of the user's.
        is_there: whether a result, by its path below the working directory, need not be
            made; what is only needed for results that are there is needed no more.
    """
    return [
        *of_files(upstreams, environment, is_there),
        *of_environment(upstreams.study, environment, is_there),
    ]


def is_file_there(path: str) -> bool:
    """Say whether a result lies on this disk: the answer where no plan was made."""
    return Path(path).exists()


@contextmanager
def preflight_command(
    study: str,
    sources_dir: str | None,
    planned: Iterable[str],
    config: Path = Path("config"),
) -> Iterator[list[str]]:
    """Give the command that lists what planned jobs need from outside.

    It is a process of its own: it asks the network by the hub's client, which takes
    its time to load and obeys a switch that this process may have set for its jobs. It
    fails where something is missing, and can be run as long as the block runs.

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

"""Prerequisites of a study: everything that it takes from outside of its results.

Files from the network and from folders of the user's, consents, variables, programs.
Asked while planning: nothing here touches the network or imports anything heavy.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from safegrid.study import Study
from safegrid.study.prerequisites.environment import of_environment
from safegrid.study.prerequisites.files import of_files
from safegrid.study.prerequisites.prerequisite import (
    Prerequisite,
    listed,
    refusal,
    unmet,
)
from safegrid.study.upstreams import Upstreams

__all__ = [
    "Prerequisite",
    "is_file_there",
    "listed",
    "prerequisites",
    "refusal",
    "unmet",
]


def prerequisites(
    study: Study,
    upstreams: Upstreams,
    environment: Mapping[str, str],
    is_there: Callable[[str], bool],
) -> list[Prerequisite]:
    """List what a study needs, each with what asks for it and its state now.

    Args:
        study: resolved.
        upstreams: of the same study.
        environment: variables of the user's.
        is_there: whether a result, by its path below the working directory, need not be
            made; what is only needed for results that are there is needed no more.
    """
    return [
        *of_files(study, upstreams, environment, is_there),
        *of_environment(study, environment, is_there),
    ]


def is_file_there(path: str) -> bool:
    """Say whether a result lies on this disk: the answer where no plan was made."""
    return Path(path).exists()

"""A job that a GPU works on, and what its work and its memory are worked out from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safegrid.config.cost import Assumed, GpuSpec
from safegrid.cost.data import Data
from safegrid.cost.files import UnknownError
from safegrid.cost.flops import Work
from safegrid.cost.memory import Memory
from safegrid.cost.shapes import Known, base_shape, judge_shape
from safegrid.cost.tokens import Tokens
from safegrid.study import Study

KINDS = (
    "reference",
    "train",
    "generate",
    "judge",
    "capability",
    "validate_judge",
    "calibrate",
)
Figures = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A job and what it takes.

    Attributes:
        kind: its rule, of KINDS.
        what: the method, benchmark, judge or suite.
        name: what its result is called below its folder.
        model: the model that it loads.
        gpus: that it holds at a time.
        work: None where it is not known; `unknown` says why.
        memory: of each GPU, at its peak.
        served: its model is on a server that runs already, on whatever GPUs.
        disk: bytes that stay.
        scratch: bytes of checkpoints while it runs.
        reads: lengths of what it reads; `writes` of what it writes.
        sources: where its figures are from.
    """

    kind: str
    what: str
    name: str
    model: str
    gpus: int = 1
    work: Work | None = None
    memory: Memory | None = None
    served: bool = False
    disk: float = 0.0
    scratch: float = 0.0
    reads: Tokens | None = None
    writes: Tokens | None = None
    sources: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True)
class Planned:
    """A study on a GPU, asked for what its jobs' figures depend on.

    Attributes:
        device: the GPU that all of them run on.
        root: the folder with `results/`.
    """

    study: Study
    assumed: Assumed
    device: GpuSpec
    data: Data
    root: Path = Path()

    def base(self, name: str) -> Known:
        """Return a base's shape.

        Raises:
            UnknownError: nobody says anything of it.
        """
        return _known(base_shape(self.study, name, self.root), name, "bases.yaml")

    def judge(self, name: str, base: str) -> Known:
        """Return the shape of a judge's model.

        Raises:
            UnknownError: nobody says anything of it.
        """
        found = judge_shape(self.study, name, base, self.root)
        return _known(found, name, "judges.yaml")

    def longest(self, dataset: str) -> int:
        """Return the tokens of a dataset's longest row."""
        return self.study.config.study.datasets[dataset].max_length


def filled(job: Job, figures: Callable[..., Figures], *of: Any) -> Job:
    """Return a job with its figures, or with the reason that it has none."""
    try:
        return replace(job, **figures(*of))
    except UnknownError as error:
        return replace(job, unknown=str(error))


def _known(found: Known | None, name: str, file: str) -> Known:
    if found is None:
        raise UnknownError(
            f"the shape of {name} is not known: fetch it, or give its entry of {file}"
            " a `shape`"
        )
    return found

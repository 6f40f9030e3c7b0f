"""A job that a GPU works on: what it does, what it holds, where that is known from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from safegrid.config.cost import ShapeSpec
from safegrid.config.engine import EngineSpec
from safegrid.config.training import Training
from safegrid.cost.flops import Work
from safegrid.cost.memory import Memory
from safegrid.cost.registry import Known
from safegrid.cost.tokens import Tokens, UnknownError

# The rules that hold a GPU, each with its kind of job in a plan.
KIND_OF = {
    "reference": "reference",
    "kto_reference": "reference",
    "train": "train",
    "generate": "generate",
    "judge": "judge",
    "judge_stress": "judge",
    "capability": "capability",
    "reference_likelihood": "capability",
    "validate_judge": "validate_judge",
    "calibrate": "calibrate",
}
RULES = tuple(KIND_OF)
KINDS = tuple(dict.fromkeys(KIND_OF.values()))
Figures = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """A job and what it takes.

    Its result is called `name` below its folder; `base` is empty where a judge is
    validated, and `subject` tells jobs like it in words, with `{}` for their recipes.
    `held` makes its memory of shape and settings, `figures` of its shape the fields
    from `work` to `sources`; without work, `unknown` says why. `disk` are bytes that
    stay, `scratch` those of checkpoints while it runs.
    """

    rule: str
    what: str
    name: str
    model: str
    base: str
    subject: str
    shape: Known | None
    settings: Training | EngineSpec
    held: Callable[..., Memory]
    figures: Callable[[ShapeSpec], Figures]
    recipe: str = ""
    gpus: int = 1
    work: Work | None = None
    disk: float = 0.0
    scratch: float = 0.0
    reads: Tokens | None = None
    writes: Tokens | None = None
    sources: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return KIND_OF[self.rule]

    @property
    def served(self) -> bool:
        """Whether its model is on a server that runs already, on whatever GPUs."""
        return isinstance(self.settings, EngineSpec) and self.settings.kind == "address"

    @cached_property
    def memory(self) -> Memory | None:
        """What it holds at its peak on each of its GPUs; None of an unknown shape."""
        return self.after({})

    def after(self, changed: dict[str, Any]) -> Memory | None:
        """Return what it holds after changes of its settings; None of invalid ones."""
        new = self.settings.model_copy(update=changed)
        if self.shape is None or (self.rule == "train" and not _is_whole(new)):
            return None
        return self.held(self.shape.shape, new)

    def filled(self) -> "Job":
        """Return it with its figures, or with the reason that it has none."""
        if self.shape is None:
            judging = self.kind in ("judge", "validate_judge")
            name, file = (self.what, "judges") if judging else (self.base, "bases")
            unknown = (
                f"the shape of {name} is not known: fetch it, or give its entry of"
                f" {file}.yaml a `shape`"
            )
            return replace(self, unknown=unknown)
        try:
            found = self.figures(self.shape.shape)
        except UnknownError as error:
            return replace(self, unknown=str(error), shape=None)
        read = (found.get(name) for name in ("reads", "writes"))
        told = found.pop("sources", [tokens.source for tokens in read if tokens])
        return replace(self, sources=(self.shape.source, *told), **found)


def _is_whole(settings: Any) -> bool:
    """Whether the processes of a training get the same number of micro-batches."""
    together = settings.per_device_train_batch_size * settings.processes
    return bool(settings.batch % together == 0)

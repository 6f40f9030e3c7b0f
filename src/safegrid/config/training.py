"""Training settings: a recipe, complete, and the models that it keeps on its way."""

import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from safegrid.config.block import Above0, Block, From0, Part, Positive, Seeds, Share

# What the base untouched is called where recipes stand.
NONE = "none"


class Lora(Block):
    """A low-rank adapter (Hu et al. 2021).

    Attributes:
        r: rank of the two matrices
        lora_alpha: the adapter is scaled by `lora_alpha / r`
        lora_dropout: before the adapter
        target_modules: or a list of names of linear layers; also the embedding, where
            it is not the head too (tied); not `lm_head`
    """

    r: Positive
    lora_alpha: Positive
    lora_dropout: Share = 0.0
    target_modules: (
        Annotated[list[str], Field(min_length=1)] | Literal["all-linear"]
    ) = "all-linear"


class Training(Block):
    """The settings of one training run, complete.

    Attributes:
        learning_rate: its peak
        beta: of the method's loss; refused for a method without one, needed for the
            others
        label_smoothing: at least 0, below 0.5; refused where the method ignores it,
            needed where zero is another method
        max_steps: optimiser steps; either this or `num_train_epochs`
        num_train_epochs: passes through the pairs
        batch: pairs a step
        per_device_train_batch_size: pairs a forward of one process; what `batch` has
            more is accumulated
        processes: how many train together, under `accelerate launch`; `batch` is a
            multiple of `per_device_train_batch_size` times this
        accelerate: how several processes share one model: `fsdp` or `deepspeed`, a file
            of `profiles/accelerate/`; null for a whole copy each
        lr_scheduler_type: of the learning rate: `cosine`, `linear` or `constant`
        warmup_ratio: share of the steps with a rising learning rate
        weight_decay: of AdamW
        max_grad_norm: gradients are clipped to this norm
        precision: `float32` or `bfloat16`
        gradient_checkpointing: less memory for more computing
        lora: an adapter's shape, below; null for full fine-tuning
        save_steps: steps between checkpoints; moved up to a logged step
        logging_steps: steps between points of the training curve
        checkpoints: steps at which a [model of its
            own](../docs/add_a_study.md#checkpoints-along-a-training) is kept, in order;
            not in a sweep study, not for a method without answers
    """

    learning_rate: Above0
    beta: Above0 | None = None
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    max_steps: Positive | None = None
    num_train_epochs: Above0 | None = None
    batch: Positive
    per_device_train_batch_size: Positive
    processes: Positive = 1
    accelerate: Literal["fsdp", "deepspeed"] | None = None
    lr_scheduler_type: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_ratio: Share = 0.1
    weight_decay: From0 = 0.0
    max_grad_norm: Above0 = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    lora: Lora | None = None
    save_steps: Positive = 500
    logging_steps: Positive = 5
    checkpoints: list[Positive] = Field(default=[], exclude=True)

    def count_steps(self, n_pairs: int) -> int:
        """Return the optimiser's steps: as asked, or whole batches of the epochs."""
        if self.max_steps is not None:
            return self.max_steps
        assert self.num_train_epochs is not None, "one of the two is given"
        return max(1, int(self.num_train_epochs * n_pairs / self.batch))

    @property
    def doses(self) -> list[int]:
        """The steps of the models that are kept beside the one at the end."""
        return [step for step in self.checkpoints if step != self.max_steps]

    @field_validator("checkpoints")
    @classmethod
    def _in_order(cls, steps: list[int]) -> list[int]:
        if any(later <= step for step, later in itertools.pairwise(steps)):
            raise ValueError("steps must stand in order, each one once")
        return steps

    @model_validator(mode="after")
    def _whole(self) -> "Training":
        if (self.max_steps is None) == (self.num_train_epochs is None):
            raise ValueError(
                "give either `max_steps` or `num_train_epochs`, not both and not none"
            )
        if self.batch % (self.per_device_train_batch_size * self.processes):
            raise ValueError(
                f"batch {self.batch} is no multiple of per_device_train_batch_size"
                f" {self.per_device_train_batch_size} x {self.processes} processes"
            )
        if self.accelerate and self.processes == 1:
            raise ValueError(
                f"accelerate {self.accelerate!r} shares a model among processes, but"
                " `processes` is 1; raise it or remove `accelerate`"
            )
        return self


class Recipe(Block):
    """How one model of a study is made, resolved: nothing is left to a default.

    Attributes:
        base: the one base that it is made of; null for each of the study's.
        init_from: the recipe whose model it starts from; null is the base itself.
        fraction: share of the dataset's pairs, by the dataset's seed.
        categories: pairs of these categories only; null is all.
        seeds: training seeds of its own; null for those of the study.

    No model depends on other bases and seeds, so these two are left out where a recipe
    is written down.
    """

    name: str
    method: str
    dataset: str
    base: str | None = Field(default=None, exclude=True)
    init_from: str | None = None
    fraction: Part = 1.0
    categories: list[str] | None = None
    seeds: Seeds | None = Field(default=None, exclude=True)
    training: Training


# ---------------------------------------------------------------- doses
# A dose is the model after so many of a training's steps, `{recipe}@{step}`; the end of
# the training is the model with the recipe's plain name.

# No name of a recipe holds an @.
_DOSE = re.compile(r"(?P<recipe>[^@]+)@(?P<step>[1-9][0-9]*)")


def dose_name(recipe: str, step: int) -> str:
    """Name the model that a recipe keeps at a step of its training."""
    return f"{recipe}@{step}"


def split_dose(name: str) -> tuple[str, int | None]:
    """Return the recipe that a model is trained by, and the step of a dose.

    Returns:
        `nca` and 10 for `nca@10`; the name itself and None for the end of a training.
    """
    found = _DOSE.fullmatch(name)
    return (found["recipe"], int(found["step"])) if found else (name, None)


def model_names(recipe: Recipe) -> list[str]:
    """Name all models of a recipe, in order of their steps, the end last."""
    doses = [dose_name(recipe.name, step) for step in recipe.training.doses]
    return [*doses, recipe.name]


def beyond(steps: Iterable[int], end: int) -> list[str]:
    """Say which steps a training has not; nothing where it has them all."""
    late = [str(step) for step in steps if step > end]
    if not late:
        return []
    return [
        f"`checkpoints` names step {', '.join(late)}, and the training ends after"
        f" {end} steps; remove it, or train longer"
    ]


def why_no_dose(name: str, recipes: Mapping[str, Recipe]) -> str | None:
    """Say why a dose is no model of the study; None where it is one, or no dose.

    Args:
        name: of a model.
        recipes: of the study, resolved; of one that is not among them nothing is said.
    """
    recipe = recipes.get(split_dose(name)[0])
    step = split_dose(name)[1]
    if recipe is None or step is None or name in model_names(recipe):
        return None
    training = recipe.training
    if step == training.max_steps:
        return (
            f"got {name!r}: step {step} is the end of that training, whose model is"
            f" named {recipe.name!r}"
        )
    if training.max_steps is not None and step > training.max_steps:
        return (
            f"got {name!r}: {recipe.name!r} is trained for {training.max_steps} steps"
        )
    kept = ", ".join(map(str, training.doses)) or "none"
    return (
        f"got {name!r}, and {recipe.name!r} keeps no checkpoint at step {step} (kept:"
        f" {kept}); add it to `checkpoints` of its `training`"
    )

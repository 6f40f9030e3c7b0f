"""Memory of trainings and reference passes, and settings that change it."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from safegrid.config.cost import ShapeSpec
from safegrid.config.methods import METHODS, Trainer
from safegrid.config.training import Lora, Recipe, Training
from safegrid.cost.memory import Memory, reference_memory, training_memory
from safegrid.cost.need import Change, Need, Settings, halved, some
from safegrid.cost.shapes import Known
from safegrid.study import Study

# Rank and alpha of the adapter that is proposed: what NCA's authors trained with.
PROPOSED = Lora(r=16, lora_alpha=16)
# How many processes are proposed to share a model.
PROCESSES = (2, 4, 8)


class _Kind(NamedTuple):
    """What the memory of a training depends on."""

    base: str
    training: Training
    trainer: Trainer
    longest: int

    @property
    def key(self) -> tuple[str, str, Trainer, int]:
        """The same as what can be compared: settings may hold lists."""
        return self.base, self.training.model_dump_json(), self.trainer, self.longest


def training_needs(study: Study, bases: Mapping[str, Known]) -> Iterator[Need]:
    """Give one need for all recipes that need the same."""
    alike: dict[tuple[str, str, Trainer, int], tuple[_Kind, list[str]]] = {}
    for recipe in study.config.recipes.values():
        for base in _bases_of(study, recipe):
            if base in bases:
                kind = _kind(study, recipe, base)
                alike.setdefault(kind.key, (kind, []))[1].append(recipe.name)
    for kind, names in alike.values():
        methods = [METHODS[study.recipe(name).method] for name in names]
        least = 2 if any(method.across for method in methods) else 1
        subject = f"training of {some(names)} from {kind.base}"
        yield _training(subject, bases[kind.base].shape, kind, least)


def _bases_of(study: Study, recipe: Recipe) -> list[str]:
    """Return the bases that a recipe is made of."""
    own = study.config.own_bases.get(recipe.name)
    return study.config.study.bases if own is None else [own]


def _kind(study: Study, recipe: Recipe, base: str) -> _Kind:
    # KTO's rows are pairs cut in two: its micro-batches are as large as DPO's.
    own = METHODS[recipe.method].trainer
    trainer: Trainer = "dpo" if own == "kto" else own
    # What memory does not depend on must not split the groups.
    same = {"learning_rate": 1.0, "beta": None, "label_smoothing": 0.0}
    training = recipe.training.model_copy(update=same)
    longest = study.config.study.datasets[recipe.dataset].max_length
    return _Kind(base, training, trainer, longest)


def _training(subject: str, shape: ShapeSpec, kind: _Kind, least: int) -> Need:
    training, trainer, longest = kind.training, kind.trainer, kind.longest

    def after(changed: Settings) -> Memory | None:
        new = training.model_copy(update=changed)
        if new.batch % (new.per_device_train_batch_size * new.processes):
            return None
        return training_memory(shape, new, trainer, longest)

    return Need(
        "train",
        subject,
        training_memory(shape, training, trainer, longest),
        "training",
        _training_axes(training, least),
        after,
    )


def _training_axes(training: Training, least: int) -> list[list[Change]]:
    """Return the changes of a training, those that change results least first.

    `least` is the smallest micro-batch: some losses compare within it.
    """
    axes: list[list[Change]] = []
    if not training.gradient_checkpointing:
        set_ = {"gradient_checkpointing": True}
        axes.append([("`gradient_checkpointing: true`", set_)])
    axes.append(
        halved(
            "per_device_train_batch_size", training.per_device_train_batch_size, least
        )
    )
    if training.precision == "float32":
        axes.append([("`precision: bfloat16`", {"precision": "bfloat16"})])
    if training.lora is None:
        written = f"`lora: {{r: {PROPOSED.r}, lora_alpha: {PROPOSED.lora_alpha}}}`"
        axes.append([(written, {"lora": PROPOSED})])
    if training.accelerate is None:
        axes.append(
            [
                (
                    f"`processes: {n}` with `accelerate: fsdp` ({n} GPUs)",
                    {"processes": n, "accelerate": "fsdp"},
                )
                for n in PROCESSES
            ]
        )
    return [axis for axis in axes if axis]


def reference_needs(
    study: Study, bases: Mapping[str, Known], rule: str
) -> Iterator[Need]:
    """Give a need for each recipe whose training reads values of a rule."""
    for recipe in study.config.recipes.values():
        method, own = METHODS[recipe.method], recipe.training
        settings = study.reference_settings
        if rule == "kto_reference":
            settings = own.precision, own.per_device_train_batch_size
            wanted = method.trainer == "kto"
        else:
            wanted = method.reference
        for base in _bases_of(study, recipe):
            if wanted and base in bases:
                longest = study.config.study.datasets[recipe.dataset].max_length
                subject = f"{rule} of {recipe.dataset} under {base}"
                shape = bases[base].shape
                yield _reference(rule, subject, shape, settings, longest)


def _reference(
    rule: str, subject: str, shape: ShapeSpec, settings: tuple[str, int], longest: int
) -> Need:
    precision, micro_batch = settings

    def after(changed: Settings) -> Memory:
        size = changed["per_device_train_batch_size"]
        return reference_memory(shape, precision, size, longest)

    return Need(
        rule,
        subject,
        reference_memory(shape, precision, micro_batch, longest),
        "training",
        [
            axis
            for axis in [halved("per_device_train_batch_size", micro_batch, 1)]
            if axis
        ],
        after,
    )

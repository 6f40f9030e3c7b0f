"""What each kind of job holds on its GPU, and which settings could change that.

From shapes and settings alone: a micro-batch is taken to be as long as `max_length`
lets it be, and an engine's chunk as large as it may become.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.config.cost import GpuSpec, ShapeSpec
from safegrid.config.engine import EngineSpec
from safegrid.config.training import Lora, Recipe, Training
from safegrid.cost.memory import (
    Memory,
    Use,
    engine_memory,
    judge_use,
    reference_memory,
    together,
    training_memory,
)
from safegrid.cost.shapes import Known, base_shape, judge_shape
from safegrid.methods import METHODS, Trainer
from safegrid.study import Study

# Names that a sentence lists.
SHOWN = 15
# The rules that hold a GPU.
RULES = (
    "reference",
    "kto_reference",
    "train",
    "generate",
    "judge",
    "measure",
    "capability",
)
# Rank and alpha of the adapter that is proposed: what NCA's authors trained with.
PROPOSED = Lora(rank=16, alpha=16)
# How many processes are proposed to share a model.
PROCESSES = (2, 4, 8)
# Tokens of a chunk below which a smaller one is no help to anybody.
LEAST_TOKENS = 1024

Settings = dict[str, Any]
Change = tuple[str, Settings]
"""A change as it is written, and the settings that it sets."""


@dataclass(frozen=True)
class Need:
    """What jobs of one kind need, and what could be changed.

    Attributes:
        rule: the rule of the jobs.
        subject: the jobs, in words.
        memory: what one of them holds at its peak.
        where: the key that a change goes to.
        axes: for each setting its changes, those that change least first.
        after: what is held after a change of settings; None where it is not valid.
    """

    rule: str
    subject: str
    memory: Memory
    where: str
    axes: list[list[Change]]
    after: Callable[[Settings], Memory | None]


def needs(
    study: Study, gpus: Mapping[str, tuple[str, GpuSpec]], root: Path
) -> Iterator[Need]:
    """Give what each kind of job with a known GPU and a known shape needs."""
    shapes = {name: base_shape(study, name, root) for name in study.all_bases}
    bases = {n: known for n, known in shapes.items() if known is not None}
    if "train" in gpus:
        yield from _trainings(study, bases)
    for rule in ("reference", "kto_reference"):
        if rule in gpus:
            yield from _references(study, bases, rule)
    yield from _engines(study, bases, gpus, root)


def _trainings(study: Study, bases: Mapping[str, Known]) -> Iterator[Need]:
    """Give one need for all recipes that need the same."""
    alike: dict[tuple[str, str, Trainer, int], list[str]] = {}
    settings = {}
    for recipe in study.config.recipes.values():
        # KTO's rows are pairs cut in two: its micro-batches are as large as DPO's.
        own = METHODS[recipe.method].trainer
        trainer: Trainer = "dpo" if own == "kto" else own
        longest = study.config.study.datasets[recipe.dataset].max_length
        # What memory does not depend on must not split the groups.
        same = {"learning_rate": 1.0, "beta": None, "label_smoothing": 0.0}
        training = recipe.training.model_copy(update=same)
        for base in _bases_of(study, recipe):
            if base in bases:
                key = (base, training.model_dump_json(), trainer, longest)
                alike.setdefault(key, []).append(recipe.name)
                settings[key] = training
    for key, names in alike.items():
        base, _, trainer, longest = key
        methods = [METHODS[study.recipe(name).method] for name in names]
        least = 2 if any(method.across for method in methods) else 1
        subject = f"training of {some(names)} from {base}"
        shape = bases[base].shape
        yield _training(subject, shape, settings[key], trainer, longest, least)


def _bases_of(study: Study, recipe: Recipe) -> list[str]:
    """Return the bases that a recipe is made of."""
    own = study.config.own_bases.get(recipe.name)
    return study.config.study.bases if own is None else [own]


def _training(
    subject: str,
    shape: ShapeSpec,
    training: Training,
    trainer: Trainer,
    longest: int,
    least: int,
) -> Need:
    def after(changed: Settings) -> Memory | None:
        new = training.model_copy(update=changed)
        if new.batch % (new.micro_batch * new.processes):
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
    axes.append(_halved("micro_batch", training.micro_batch, least))
    if training.precision == "float32":
        axes.append([("`precision: bfloat16`", {"precision": "bfloat16"})])
    if training.lora is None:
        written = f"`lora: {{rank: {PROPOSED.rank}, alpha: {PROPOSED.alpha}}}`"
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


def _references(study: Study, bases: Mapping[str, Known], rule: str) -> Iterator[Need]:
    for recipe in study.config.recipes.values():
        method, own = METHODS[recipe.method], recipe.training
        settings = study.reference_settings
        if rule == "kto_reference":
            settings = own.precision, own.micro_batch
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
        size = changed["micro_batch"]
        return reference_memory(shape, precision, size, longest)

    return Need(
        rule,
        subject,
        reference_memory(shape, precision, micro_batch, longest),
        "training",
        [axis for axis in [_halved("micro_batch", micro_batch, 1)] if axis],
        after,
    )


def _engines(
    study: Study,
    bases: Mapping[str, Known],
    gpus: Mapping[str, tuple[str, GpuSpec]],
    root: Path,
) -> Iterator[Need]:
    """Give a need for each model of an engine; a server that runs is not ours."""
    engine = study.config.study.engine
    if engine.kind == "address":
        return
    judges: list[tuple[str, Need]] = []
    for rule, subject, base, shape, use in _served(study, bases, root):
        if rule in gpus:
            need = _engine(rule, subject, shape, engine, gpus[rule][1], use)
            yield need
            if rule == "judge":
                judges.append((base, need))
    for base in bases:
        of_base = [need for own, need in judges if own in ("", base)]
        yield from _at_once(base, of_base, engine.most)


def _at_once(base: str, judges: list[Need], most: int) -> Iterator[Need]:
    """Give the largest judges of a model, whose engines a job may hold together."""
    largest = sorted(judges, key=lambda need: -need.memory.total)[:most]
    if len(largest) < 2:
        return

    def after(changed: Settings) -> Memory:
        return together([need.memory for need in largest[: changed["most"]]])

    names = " and ".join(need.subject.removeprefix("judge by ") for need in largest)
    yield Need(
        "judge",
        f"judges of {base}'s answers at once ({names})",
        together([need.memory for need in largest]),
        "engine",
        [[(f"`most: {n}`", {"most": n}) for n in range(len(largest) - 1, 0, -1)]],
        after,
    )


def _served(
    study: Study, bases: Mapping[str, Known], root: Path
) -> Iterator[tuple[str, str, str, ShapeSpec, Use]]:
    """Give the rule, the jobs in words, the base, the model, and what it does.

    A judge that is the same for all bases has none.
    """
    asked = {name: known for name, known in bases.items() if name in study.bases}
    for base, known in asked.items():
        if study.prompted:
            yield "generate", f"generate by {base}", base, known.shape, "write"
        if study.suites:
            yield "capability", f"capability by {base}", base, known.shape, "write"
    for name in study.judges:
        entry = study.config.judges[name]
        use = judge_use(entry)
        if entry.method != "model":
            continue
        for base in asked if entry.kind == "likelihood" else ("",):
            found = judge_shape(study, name, base, root)
            if found is not None:
                of = f" of {base}" if base else ""
                yield "judge", f"judge by {name}{of}", base, found.shape, use
                if name in study.measured():
                    yield "measure", f"measure of {name}", base, found.shape, use


def _engine(
    rule: str,
    subject: str,
    shape: ShapeSpec,
    engine: EngineSpec,
    gpu: GpuSpec,
    use: Use,
) -> Need:
    def after(changed: Settings) -> Memory:
        return engine_memory(shape, engine.model_copy(update=changed), gpu, use)

    return Need(
        rule,
        subject,
        engine_memory(shape, engine, gpu, use),
        "engine",
        _engine_axes(engine),
        after,
    )


def _engine_axes(engine: EngineSpec) -> list[list[Change]]:
    axes: list[list[Change]] = []
    if engine.kind == "safegrid":
        axes.append(_halved("max_tokens", engine.max_tokens, LEAST_TOKENS))
        axes.append(_halved("chunk", engine.chunk, 1))
    if engine.dtype == "float32":
        axes.append([("`dtype: bfloat16`", {"dtype": "bfloat16"})])
    return [axis for axis in axes if axis]


def _halved(name: str, value: int, least: int) -> list[Change]:
    found = []
    while value // 2 >= least:
        value //= 2
        found.append((f"`{name}: {value}`", {name: value}))
    return found


def some(names: Sequence[str]) -> str:
    """Return names with commas, of many the first ones and how many more."""
    more = len(names) - SHOWN
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(names[:SHOWN]) + tail

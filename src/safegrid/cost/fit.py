"""GPU memory of a study's jobs against the GPUs that they get.

A micro-batch is taken to be as long as `max_length` lets it be, and an engine's chunk
as large as it may become.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

from safegrid.config.cost import GpuSpec
from safegrid.config.documents import Problems
from safegrid.config.engine import EngineSpec
from safegrid.config.methods import METHODS
from safegrid.config.training import Lora, Training
from safegrid.core.errors import ConfigError
from safegrid.cost.data import Data
from safegrid.cost.jobs import RULES, Job
from safegrid.cost.memory import Memory, together, usable
from safegrid.cost.planner import Planner
from safegrid.cost.registry import load_assumptions, load_gpus, meant, pick_gpu
from safegrid.study import Study

# SLURM's way to name a GPU: `gpu:h200:1`; a bare `gpu:1` names none.
GRES = re.compile(r"gpu:([\w.-]*[A-Za-z][\w.-]*)")
# A resource of the executor plugin for SLURM.
MODEL = "gpu_model"
GB = 1e9
NAMES = {
    "weights": "weights",
    "copies": "their copies in bfloat16",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "activations": "activations",
    "logits": "logits",
    "cache": "keys and values",
}
# Names that a sentence lists.
SHOWN = 15
# Rank and alpha of the adapter that is proposed: what NCA's authors trained with.
PROPOSED = Lora(r=16, lora_alpha=16)
# How many processes are proposed to share a model.
PROCESSES = (2, 4, 8)
# Tokens of a chunk below which a smaller one is no help to anybody.
LEAST_TOKENS = 1024

Change = tuple[str, dict[str, Any]]
"""A change as it is written, and the settings that it sets."""


def check_fit(study: Study, config: Path, gpu: str | None, settings: Any) -> str:
    """Refuse a study of which a job does not fit on the GPU that it will get.

    That is `gpu`, the option, for all rules, or else what Snakemake's resource settings
    ask for. Returns a sentence on GPUs that the registry does not have, or nothing.

    Raises:
        ConfigError: a job does not fit, or the option names no GPU.
    """
    names = asked_gpus(settings) if gpu is None else dict.fromkeys(RULES, gpu)
    if not names:
        return ""
    gpus = load_gpus(config)
    if gpu is not None:
        problems = Problems()
        pick_gpu(gpus, gpu, f"{config}/config.yaml or --config", problems)
        problems.raise_if_any("plan")
    known = {rule: meant(gpus, name) for rule, name in names.items()}
    found = {rule: (name, gpus[name]) for rule, name in known.items() if name}
    refused = problems_of_fit(Data(study, load_assumptions(config)), found)
    if refused:
        listed = "\n".join(f"  {problem}" for problem in refused)
        count = len(refused)
        kinds = "1 kind of job does" if count == 1 else f"{count} kinds of job do"
        raise ConfigError(
            f"study {study.name!r}: {kinds} not fit on the GPU that it will get;"
            f" nothing was started\n{listed}"
        )
    unknown = dict.fromkeys(n for rule, n in names.items() if known[rule] is None)
    if not unknown:
        return ""
    return (
        f"whether jobs fit was not checked for GPU {', '.join(unknown)}:"
        f" {config}/gpus.yaml does not have it"
    )


def asked_gpus(settings: Any) -> dict[str, str]:
    """Return the GPU that each rule asks for by name, of Snakemake's settings.

    Its `set-resources` are stronger than its `default-resources`.
    """
    default = _as_written(settings.default_resources)
    asked = {}
    for rule in RULES:
        resources = default | _as_written(settings.overwrite_resources.get(rule))
        gres = GRES.search(str(resources.get("gres") or ""))
        named = str(resources.get(MODEL) or "").strip("'\"")
        asked[rule] = gres[1] if gres else named
    return {rule: name for rule, name in asked.items() if name}


def _as_written(resources: Any) -> dict[str, Any]:
    """Return Snakemake's resources as they were written, not yet evaluated."""
    return {name: getattr(r, "raw", r) for name, r in dict(resources or {}).items()}


def problems_of_fit(data: Data, gpus: Mapping[str, tuple[str, GpuSpec]]) -> list[str]:
    """Tell which jobs of a study do not fit on the GPUs of their rules.

    One sentence a problem: the jobs, what they need and have, and the change that makes
    them fit by the same arithmetic. Rules without a GPU are not checked; of the others
    `gpus` holds its name and data sheet.
    """
    found: list[str] = []
    for name, gpu in dict(gpus.values()).items():
        jobs = [
            job
            for job in Planner(data, gpu).planned()
            if gpus.get(job.rule, ("",))[0] == name and not job.served and job.memory
        ]
        found += _too_large(jobs, name, gpu)
        found += _too_large_together(data.study, jobs, name, gpu)
    return found


def _too_large(jobs: Iterable[Job], name: str, gpu: GpuSpec) -> Iterator[str]:
    alike: dict[tuple[str, Memory | None], list[Job]] = {}
    for job in jobs:
        alike.setdefault((job.subject, job.memory), []).append(job)
    for (subject, memory), group in alike.items():
        if memory is not None and memory.total > usable(gpu):
            recipes = list(dict.fromkeys(job.recipe for job in group))
            changes = remedy(group, usable(gpu))
            where = "training" if isinstance(group[0].settings, Training) else "engine"
            yield _told(
                subject.format(some(recipes)), memory, changes, where, name, gpu
            )


def _too_large_together(
    study: Study, jobs: Iterable[Job], name: str, gpu: GpuSpec
) -> Iterator[str]:
    """Tell of the largest judges of a base's answers, which a job may hold together."""
    of_base: dict[str, dict[str, Memory]] = {}
    for job in jobs:
        if job.rule == "judge" and job.memory is not None:
            of_base.setdefault(job.base, {})[job.subject] = job.memory
    for base, judges in of_base.items():
        largest = sorted(judges, key=lambda subject: -judges[subject].total)
        largest = largest[: study.engine("").max_engines]
        sizes = [judges[subject] for subject in largest]
        held = [together(sizes[:n]) for n in range(1, len(sizes) + 1)]
        if len(held) > 1 and held[-1].total > usable(gpu):
            fitting = [n for n, m in enumerate(held, 1) if m.total <= usable(gpu)]
            changes = [f"`max_engines: {fitting[-1]}`"] if fitting else []
            names = " and ".join(s.removeprefix("judge by ") for s in largest)
            subject = f"judges of {base}'s answers at once ({names})"
            yield _told(subject, held[-1], changes, "engine", name, gpu)


def _told(
    subject: str,
    memory: Memory,
    changes: Sequence[str],
    where: str,
    name: str,
    gpu: GpuSpec,
) -> str:
    room = usable(gpu)
    parts = asdict(memory).items()
    split = ", ".join(f"{NAMES[part]} {size / GB:.3g}" for part, size in parts if size)
    head = (
        f"{subject} needs {memory.total / GB:.3g} GB ({split}), and of the"
        f" {gpu.memory_gb:g} GB of {name} {room / GB:.3g} can be used"
    )
    if changes:
        return f"{head}; it fits with {' and '.join(changes)} under `{where}`"
    if where == "engine":
        count = -(-int(memory.total) // int(room))
        return (
            f"{head}; no setting of our engine makes it fit: serve the model on"
            f" {count} GPUs or more, with `kind: address` under `engine`, or under"
            " `engines` for this base alone; or take a larger GPU"
        )
    return f"{head}; no change that we know of makes it fit: take a larger GPU"


def remedy(jobs: Sequence[Job], room: float) -> list[str]:
    """Return the fewest changes of settings after which jobs that are alike fit.

    Empty where none do.
    """
    axes = [axis for axis in _axes(jobs) if axis]
    for number in range(1, len(axes) + 1):
        for chosen in chain(*(product(*some) for some in combinations(axes, number))):
            held = jobs[0].after({k: v for _, new in chosen for k, v in new.items()})
            if held is not None and held.total <= room:
                return [written for written, _ in chosen]
    return []


def _axes(jobs: Sequence[Job]) -> list[list[Change]]:
    """Return what may be changed, step by step; what changes results least is first."""
    settings = jobs[0].settings
    if isinstance(settings, EngineSpec):
        ours = settings.kind == "safegrid"
        return [
            _halved("max_batch_tokens", settings, LEAST_TOKENS) if ours else [],
            _halved("batch_size", settings, 1) if ours else [],
            [("`dtype: bfloat16`", {"dtype": "bfloat16"})],
        ]
    methods = [METHODS[job.what] for job in jobs if job.rule == "train"]
    # Some losses compare within a micro-batch.
    least = 2 if any(method.across for method in methods) else 1
    smaller = _halved("per_device_train_batch_size", settings, least)
    if not methods:
        return [smaller]
    again = "`gradient_checkpointing: true`", {"gradient_checkpointing": True}
    written = f"`lora: {{r: {PROPOSED.r}, lora_alpha: {PROPOSED.lora_alpha}}}`"
    shared = [
        (
            f"`processes: {n}` with `accelerate: fsdp` ({n} GPUs)",
            {"processes": n, "accelerate": "fsdp"},
        )
        for n in PROCESSES
    ]
    return [
        [] if settings.gradient_checkpointing else [again],
        smaller,
        [("`precision: bfloat16`", {"precision": "bfloat16"})],
        [] if settings.lora else [(written, {"lora": PROPOSED})],
        [] if settings.accelerate else shared,
    ]


def _halved(name: str, settings: Training | EngineSpec, least: int) -> list[Change]:
    """Return the changes that halve a number again and again, down to a least one."""
    value, found = getattr(settings, name), []
    while value // 2 >= least:
        value //= 2
        found.append((f"`{name}: {value}`", {name: value}))
    return found


def some(names: Sequence[str]) -> str:
    """Return names with commas, of many the first ones and how many more."""
    more = len(names) - SHOWN
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(names[:SHOWN]) + tail

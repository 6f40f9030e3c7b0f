"""The speed of finished jobs: trainings by their manifests, cells by cell manifests."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safegrid.config.cost import GpuSpec
from safegrid.core.seals import check_folder, read_result
from safegrid.cost.flops import forward_flops, mfu
from safegrid.cost.registry import meant
from safegrid.cost.shapes import of_folder
from safegrid.runtime.usage import NO_MODEL, Record, UntimedError, Usage
from safegrid.study import Study

GPUS = "config/gpus.yaml"


@dataclass(frozen=True)
class Speed:
    """What a finished job took.

    Attributes:
        kind: of `jobs.KINDS`.
        name: as `jobs.Job.name`.
        tokens_in: that it read, padding not counted.
        tokens_out: that it wrote.
        seconds: that its model was at work, or its whole job where only that is known.
        device: as torch calls it, or words for a CPU.
        dtype: of the matrix products: `float32` or `bfloat16`.
        gpus: that it held.
    """

    kind: str
    name: str
    tokens_in: int
    tokens_out: int
    seconds: float
    device: str
    dtype: str
    gpus: int = 1


def asked_mfu(record: Record, usage: Usage, gpus: Mapping[str, GpuSpec]) -> float:
    """Return the MFU that an engine reached on the answers behind a result.

    Args:
        record: of the result; the folder of its model says the shape.
        usage: what its answers took.
        gpus: the registry.

    Raises:
        UntimedError: the peak of the device, or the shape of the model, is not known.
    """
    known = meant(gpus, usage.device)
    if known is None:
        raise UntimedError(f"the peak of {usage.device} is not in {GPUS}")
    found = of_folder(Path(), record.model)
    if found is None:
        raise UntimedError(f"{record.model}: no config.json that says its shape")
    flops = forward_flops(found.shape, usage.tokens_in + usage.tokens_out)
    return mfu(flops, usage.seconds, gpus[known], record.engine["dtype"])


def measured_speeds(study: Study, root: Path = Path()) -> tuple[list[Speed], list[str]]:
    """Read the speed of all finished jobs of a study that a model worked in.

    Returns:
        The speeds, and sentences on the jobs that are left out.
    """
    found, left_out = training_speeds(study, root)
    blanks: Counter[str] = Counter()
    for kind, name, facts in _asked(study, root):
        if facts["seconds"]:
            found.append(
                Speed(
                    kind,
                    name,
                    facts["tokens_in"],
                    facts["tokens_out"],
                    facts["seconds"],
                    facts["device"],
                    facts["dtype"],
                )
            )
        elif facts["why"] != NO_MODEL:
            blanks[f"{kind}: {facts['why']}"] += 1
    left_out += [f"{count} of {why}" for why, count in blanks.items()]
    return found, left_out


def training_speeds(study: Study, root: Path = Path()) -> tuple[list[Speed], list[str]]:
    """Read the speed of finished trainings from their manifests.

    A training that went on from a checkpoint is left out: its seconds are those of its
    last part, its tokens all of them.

    Returns:
        The speeds, and a sentence for each training that is left out.
    """
    found, left_out = [], []
    for model in study.trained:
        facts = check_folder(root / study.model_dir(model), names=()) or {}
        if "run" not in facts:
            continue
        if facts["resumed"]:
            left_out.append(f"{model.path} went on from a checkpoint")
            continue
        settings = facts["params"]["recipe"]["training"]
        found.append(
            Speed(
                "train",
                model.path,
                int(facts["tokens"]),
                0,
                float(facts["run"]["seconds"]),
                str(facts["run"]["device"]),
                str(settings["precision"]),
                int(facts["run"]["processes"]),
            )
        )
    return found, left_out


def _asked(study: Study, root: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give kind, name and speed of every result that a cell manifest lists."""
    for model in study.models:
        for manifest in study.cell_manifests(model):
            path = root / manifest
            files = read_result(path)["files"] if path.is_file() else {}
            for file, entry in files.items():
                name = str(Path(*Path(file).parts[1:]).with_suffix(""))
                yield entry["stage"], name, entry["speed"]

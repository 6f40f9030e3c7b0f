"""GPU memory of a study's jobs against the GPU, with a change that makes a job fit."""

from collections.abc import Mapping
from itertools import combinations, product
from pathlib import Path

from safegrid.config.cost import GpuSpec
from safegrid.cost.memory import usable
from safegrid.cost.need import Need
from safegrid.cost.needs import needs
from safegrid.study import Study

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


def problems_of_fit(
    study: Study, gpus: Mapping[str, tuple[str, GpuSpec]], root: Path = Path()
) -> list[str]:
    """Tell which jobs of a study do not fit on their GPUs.

    Args:
        study: to be planned.
        gpus: the GPU of each rule by its name; rules without one are not checked.
        root: the folder with `results/`, where models that are there tell their shape.

    Returns:
        One sentence a problem: the jobs, what they need and have, and the change that
        makes them fit by the same arithmetic.
    """
    found = {}
    for need in needs(study, gpus, root):
        name, gpu = gpus[need.rule]
        if need.memory.total > usable(gpu):
            found[need.subject] = _told(need, name, gpu)
    return list(found.values())


def changes(need: Need, room: float) -> list[str]:
    """Return the fewest changes after which a need fits; empty where none do.

    Args:
        need: what does not fit.
        room: bytes that there are.
    """
    for number in range(1, len(need.axes) + 1):
        for axes in combinations(need.axes, number):
            for chosen in product(*axes):
                settings = {k: v for _, set_ in chosen for k, v in set_.items()}
                held = need.after(settings)
                if held is not None and held.total <= room:
                    return [written for written, _ in chosen]
    return []


def _told(need: Need, name: str, gpu: GpuSpec) -> str:
    room = usable(gpu)
    parts = need.memory.parts().items()
    split = ", ".join(f"{NAMES[part]} {_gb(size)}" for part, size in parts)
    head = (
        f"{need.subject} needs {_gb(need.memory.total)} GB ({split}), and of the"
        f" {gpu.memory_gb:g} GB of {name} {_gb(room)} can be used"
    )
    found = changes(need, room)
    if found:
        return f"{head}; it fits with {' and '.join(found)} under `{need.where}`"
    if need.where == "engine":
        count = -(-int(need.memory.total) // int(room))
        return (
            f"{head}; no setting of our engine makes it fit: serve the model on"
            f" {count} GPUs or more, with `kind: address` under `engine`, or under"
            " `engines` for this base alone; or take a larger GPU"
        )
    return f"{head}; no change that we know of makes it fit: take a larger GPU"


def _gb(size: float) -> str:
    return f"{size / GB:.3g}"

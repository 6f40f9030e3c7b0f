"""GPUs and assumptions of the configuration, and the GPU that a name means."""

import re
from collections.abc import Mapping
from pathlib import Path

from safegrid.config.cost import Assumed, GpuSpec
from safegrid.config.documents import Problems
from safegrid.config.yaml_files import read_document

GPUS = "gpus.yaml"
ASSUMPTIONS = "assumptions.yaml"


def load_gpus(root: Path) -> dict[str, GpuSpec]:
    """Read the GPUs of a configuration; a ConfigError tells every problem."""
    problems = Problems()
    document = read_document(root / GPUS, problems)
    found = {
        name: document.validate(GpuSpec, block, (name,))
        for name, block in document.data.items()
    }
    problems.raise_if_any("GPUs")
    return found


def load_assumptions(root: Path) -> Assumed:
    """Read what plans assume; a ConfigError tells every problem."""
    problems = Problems()
    document = read_document(root / ASSUMPTIONS, problems)
    found = document.validate(Assumed, document.data)
    problems.raise_if_any("assumptions")
    assert isinstance(found, Assumed), "what does not validate was raised"
    return found


def meant(gpus: Mapping[str, GpuSpec], name: str) -> str | None:
    """Return the GPU that a driver or a scheduler calls so; None of an unknown one."""
    wanted = _plain(name)
    for known, gpu in gpus.items():
        if wanted in map(_plain, (known, *gpu.aliases)):
            return known
    return None


def pick_gpu(
    gpus: Mapping[str, GpuSpec], name: str, where: str, problems: Problems
) -> str:
    """Return the GPU that an option or a file asks for; an unknown one is noted."""
    found = meant(gpus, name)
    if found is None:
        problems.unknown(where, "gpu", name, "GPU", gpus)
    return found or ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).removeprefix("nvidia-")

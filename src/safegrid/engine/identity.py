"""Identity of an engine: kind, version, device, dtype, since answers depend on it."""

import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from safegrid.config import EngineSpec
from safegrid.core.files import sha256_json
from safegrid.engine.search import search_hash
from safegrid.models.checkpoints import Head, weights_hash
from safegrid.runtime.devices import UNKNOWN, gpu_and_driver

# Raise it whenever an answer of our own engine can change.
ENGINE_VERSION = 3


class Identity(NamedTuple):
    """What an answer depends on besides the question; stands in every score row.

    Attributes:
        kind: `safegrid`, `vllm` or `address`.
        version: of the engine; ours names torch, transformers and the device too, that
            of a vLLM which runs here its device, the driver and its options.
        dtype: of the weights.
        weights: hash of the model that the client asked for.
    """

    kind: str
    version: str
    dtype: str
    weights: str


def engine_version(device: str) -> str:
    """Return our engine's version with what its numbers depend on."""
    parts = [f"{name}{version(name)}" for name in ("torch", "transformers")]
    return " ".join([str(ENGINE_VERSION), *parts, device])


def vllm_version(version: str, spec: EngineSpec) -> str:
    """Return the version of a vLLM that runs here with what its numbers depend on."""
    cpu = f"cpu {platform.machine()}"
    gpu = UNKNOWN if version.endswith("+cpu") else gpu_and_driver()
    return " ".join([version, cpu if gpu == UNKNOWN else gpu, *vllm_options(spec)])


def vllm_options(spec: EngineSpec) -> list[str]:
    """Return the words of vLLM's command line by which its answers may differ."""
    words = []
    if spec.max_model_len is not None:
        words += ["--max-model-len", str(spec.max_model_len)]
    if spec.tensor_parallel_size > 1:
        words += ["--tensor-parallel-size", str(spec.tensor_parallel_size)]
    return words + spec.extra_args


def served_name(
    spec: EngineSpec, stack: Sequence[Path], head: Head, search: Path | None = None
) -> str:
    """Return the name under which an engine of this run serves a model.

    It is a hash of all that its answers depend on, code that searches in beams among
    it; requests carry it, so an engine that took over a dead one's port is never
    mistaken for it.
    """
    parts = [
        weights_hash(stack),
        spec.kind,
        spec.dtype,
        spec.batch_size,
        spec.max_batch_tokens,
        head,
        engine_version(""),
        *([] if search is None else [search_hash(search)]),
        *vllm_options(spec),
    ]
    words = re.sub(r"[^\w-]", "-", "-".join(stack[-1].parts[-2:]))
    return f"{words}-{sha256_json(parts)[:16]}"

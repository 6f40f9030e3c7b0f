"""Identity of an engine: kind, version, device, dtype, since answers depend on it."""

import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from safegrid.config import EngineSpec
from safegrid.config.source import ENTRY
from safegrid.core.consent import REMOTE_CODE, allowed
from safegrid.core.errors import ConfigError
from safegrid.core.files import sha256_file, sha256_json
from safegrid.core.seals import check_fetched
from safegrid.models.checkpoints import Head, weights_hash
from safegrid.runtime.devices import UNKNOWN, visible_gpu

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
    gpu = UNKNOWN if version.endswith("+cpu") else visible_gpu("name,driver_version")
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

    It is a hash of all that its answers depend on, the bytes of code that searches in
    beams among it; requests carry it, so an engine that took over a dead one's port is
    never mistaken for it.
    """
    parts = [
        weights_hash(stack),
        spec.kind,
        spec.dtype,
        spec.batch_size,
        spec.max_batch_tokens,
        head,
        engine_version(""),
        *([] if search is None else [_code_hash(search)]),
        *vllm_options(spec),
    ]
    words = re.sub(r"[^\w-]", "-", "-".join(stack[-1].parts[-2:]))
    return f"{words}-{sha256_json(parts)[:16]}"


def _code_hash(folder: Path) -> str:
    """Return the hash of all that can be run from a folder: its Python files."""
    code = sorted(folder.rglob("*.py"))
    return sha256_json(
        {path.relative_to(folder).as_posix(): sha256_file(path) for path in code}
    )


def search_folder(files: Sequence[Path]) -> Path | None:
    """Return the folder of the code that searches in beams; None where none is to.

    It is not ours: transformers' `generate` takes it from there and runs it. Files are
    those of a source of format `custom_generate`; the folder has its name.

    Raises:
        ConfigError: the user has not let it run, or there is nothing to run.
        DataError: a file is not as it was fetched.
    """
    if not files:
        return None
    depth = len(PurePosixPath(ENTRY).parts)
    found = [file.parents[depth - 1] for file in files if file.match(ENTRY)]
    if not found:
        names = ", ".join(map(str, files))
        raise ConfigError(f"{names}: no code of a search; expected {ENTRY} among it")
    if not allowed(REMOTE_CODE, found[0].name):
        raise ConfigError(
            f"{found[0]}: Python files that would run as you; read them, and if you"
            f" trust them set {REMOTE_CODE}={found[0].name}"
        )
    for file in files:
        check_fetched(file)
    return found[0]

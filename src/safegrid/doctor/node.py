"""Probe of folder and environment on a node; runs there, as a small job."""

import fcntl
import os
import platform
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import safegrid
from safegrid.core.files import read_record, write_json

LIBRARIES = ("snakemake", "torch", "transformers", "trl", "tokenizers", "numpy")
DRIVER = Path("/proc/driver/nvidia/version")
LOCKS_IN = "SAFEGRID_RUN_DIR"
OFFLINE = "HF_HUB_OFFLINE"


@dataclass(frozen=True)
class Question:
    """A question to a node.

    Attributes:
        token: that its answer repeats.
        marks: what it should see, a path by its folder's name.
    """

    token: str
    marks: dict[str, str]


@dataclass(frozen=True)
class Answer:
    """A node's answer: what it sees.

    Attributes:
        token: of the question.
        node: its name.
        seen: of the question's marks.
        environment: as `environment` gives it.
        offline: the variable that keeps libraries from a hub.
        gpus: CUDA_VISIBLE_DEVICES.
        cuda: devices that torch sees; None without a driver.
        locks: what is wrong with them; empty of nothing.
    """

    token: str
    node: str
    seen: dict[str, bool]
    environment: dict[str, str]
    offline: str
    gpus: str
    cuda: int | None
    locks: str


def probe_node(ask: Path, out: Path) -> None:
    """Write what this machine sees of what the one that asks has put there.

    Args:
        ask: JSON of a Question.
        out: JSON of the Answer.

    Raises:
        DataError: there is no question.
    """
    question = read_record(ask, Question)
    answer = Answer(
        token=question.token,
        node=os.environ.get("SLURMD_NODENAME", socket.gethostname()),
        seen={name: Path(mark).exists() for name, mark in question.marks.items()},
        environment=environment(),
        offline=os.environ.get(OFFLINE, ""),
        gpus=os.environ.get("CUDA_VISIBLE_DEVICES", ""),
        cuda=_cuda_devices(),
        locks=locks(Path(os.environ.get(LOCKS_IN) or tempfile.gettempdir())),
    )
    write_json(out, asdict(answer))


def environment() -> dict[str, str]:
    """Return versions that must be the same wherever jobs of a study run."""
    return {
        "python": platform.python_version(),
        "safegrid": str(Path(safegrid.__file__).parent.resolve()),
        **{name: _version(name) for name in LIBRARIES},
    }


def locks(folder: Path) -> str:
    """Try whether locks hold in a folder; return what is wrong, or nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with open(file.name, "rb") as other:
                try:
                    fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return ""
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return f"{folder}: two processes can hold the same lock"


def _cuda_devices() -> int | None:
    """Return how many devices torch sees; None where there is no NVIDIA driver."""
    if not DRIVER.exists():
        return None
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"not installed in {sys.prefix}"

"""Checks of folder and environment on a node; run there, as a small job."""

import fcntl
import os
import platform
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import safegrid
from safegrid.core.files import read_record, write_json
from safegrid.doctor import State

LIBRARIES = ("snakemake", "torch", "transformers", "trl", "tokenizers", "numpy")
DRIVER = Path("/proc/driver/nvidia/version")
EDIT = "profiles/slurm/job.sh"

# What a folder that is another one there means: of a user's own cache, and else.
OWN = (
    "; fetched models and data lie in results/ and need none of it, only what you put"
    " there by hand is missed: set it to a folder that nodes see"
)
SHARED = (
    ": results and fetched models must lie where all nodes see them; a link must lead"
    " there too"
)

Told = tuple[State, str]
"""The state of a finding, and its text."""


@dataclass(frozen=True)
class NodeQuestion:
    """A question to a node, in a job that asked for `gpus`.

    `marks` are paths that it should see, by their folder's name; `environment` is that
    of the machine that asks.
    """

    marks: dict[str, str]
    environment: dict[str, str]
    gpus: int


@dataclass(frozen=True)
class NodeAnswer:
    """A node's answer: its name, and what was found there."""

    node: str
    found: list[Told]


def probe_node(ask: Path, out: Path) -> None:
    """Write how this machine differs from the one that asks.

    Args:
        ask: JSON of a Question.
        out: JSON of the Answer.
    """
    question = read_record(ask, NodeQuestion)
    node = os.environ.get("SLURMD_NODENAME", socket.gethostname())
    found = look_around(question, os.environ)
    write_json(out, asdict(NodeAnswer(node, list(found))))


def look_around(question: NodeQuestion, variables: Mapping[str, str]) -> Iterator[Told]:
    """Check environment, folders, locks and GPUs, and that no hub is asked."""
    here, there = environment(), question.environment
    differ = [
        f"{name} {value}, where it was asked {there.get(name)}"
        for name, value in here.items()
        if there.get(name) != value
    ]
    yield _told(
        not differ,
        f"Python {here['python']} and the libraries are those of here",
        f"another environment than here: {'; '.join(differ)}; jobs must run with the"
        f" same one: see to it in {EDIT}",
    )
    for name, mark in question.marks.items():
        own = name.startswith("HF_")
        yield _told(
            Path(mark).exists(),
            f"{name} is the same folder as here",
            f"{name} is not the same folder as here{OWN if own else SHARED}",
            "warn" if own else "fail",
        )
    offline = variables.get("HF_HUB_OFFLINE", "")
    yield _told(
        offline == "1",
        "jobs ask no hub: HF_HUB_OFFLINE is 1",
        f"HF_HUB_OFFLINE is {offline!r} in jobs, expected 1: on a node without a"
        f" network libraries would wait for a hub; leave it as it is in {EDIT}",
    )
    problem = locks(Path(variables.get("SAFEGRID_RUN_DIR") or tempfile.gettempdir()))
    yield _told(
        not problem,
        "locks hold where engines are registered",
        f"locks do not hold where engines are registered: {problem}; set"
        f" SAFEGRID_RUN_DIR to a folder on the node's own disk in {EDIT}",
    )
    if question.gpus:
        given = variables.get("CUDA_VISIBLE_DEVICES", "")
        yield _gpus(given, question.gpus, cuda_devices())


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


def cuda_devices() -> int | None:
    """Return how many devices torch sees; None where there is no NVIDIA driver."""
    if not DRIVER.exists():
        return None
    import torch

    return int(torch.cuda.device_count()) if torch.cuda.is_available() else 0


def _told(fine: bool, good: str, bad: str, state: State = "fail") -> Told:
    return ("ok", good) if fine else (state, bad)


def _gpus(given: str, wanted: int, seen: int | None) -> Told:
    if not given or given == "NoDevFiles":
        return "fail", (
            f"{wanted} GPU asked for, but CUDA_VISIBLE_DEVICES is {given!r} in the job:"
            " SLURM does not hand out GPUs there; ask the administrator"
        )
    if seen is None:
        return "warn", (
            f"CUDA_VISIBLE_DEVICES is {given}, but there is no NVIDIA driver: is this a"
            " GPU? jobs would run on the CPU"
        )
    if seen < wanted:
        return "fail", (
            f"{wanted} GPU asked for, and torch sees {seen}: its build does not fit the"
            " driver; install another one (TORCH_BUILD of make)"
        )
    return "ok", f"CUDA_VISIBLE_DEVICES is {given}, and torch sees {seen}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return f"not installed in {sys.prefix}"

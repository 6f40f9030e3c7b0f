"""Write requirements.lock and the conda files of this folder from an environment.

Usage, in the environment that is to be locked: python envs/generate.py

The lock holds the exact version of every distribution that pyproject.toml asks for,
directly or not. Each conda file holds the part of the lock that one kind of job needs.
A test holds the conda files to the lock.
"""

import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PYTHON = "3.11"

# What each kind of job imports; the rest follows from their requirements.
JOBS = {
    "light": [
        "filelock",
        "httpx",
        "httpx2",
        "huggingface_hub",
        "ipykernel",
        "jinja2",
        "matplotlib",
        "nbconvert",
        "papermill",
        "polars",
        "psutil",
        "pyarrow",
        "pydantic",
        "pyyaml",
        "rapidfuzz",
        "scipy",
        "statsmodels",
        "tokenizers",
        "tqdm",
    ],
    "engine": [
        "accelerate",
        "fastapi",
        "filelock",
        "httpx",
        "jinja2",
        "lm-eval[ifeval,math]",
        "peft",
        "polars",
        "psutil",
        "pydantic",
        "pyyaml",
        "statsmodels",
        "torch",
        "tqdm",
        "transformers",
        "uvicorn",
    ],
    "train": [
        "accelerate",
        "datasets",
        "filelock",
        "jinja2",
        "peft",
        "polars",
        "psutil",
        "pydantic",
        "pyyaml",
        "torch",
        "tqdm",
        "transformers",
        "trl",
    ],
}


def closure(requirements: list[str]) -> dict[str, str]:
    """Return name to version of what these requirements need, as installed here."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    stack = [(Requirement(text), "") for text in requirements]
    while stack:
        requirement, extra = stack.pop()
        marker = requirement.marker
        if marker is not None and not marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        dist = _distribution(name, requirement)
        found[name] = dist.version.split("+")[0]
        for wanted in ["", *sorted(requirement.extras)]:
            if (name, wanted) not in seen:
                seen.add((name, wanted))
                stack += [(Requirement(r), wanted) for r in dist.requires or []]
    return found


def _distribution(name: str, requirement: Requirement) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        sentence = f"{requirement} is not installed here: install it first"
        raise SystemExit(sentence) from None


def read_lock() -> dict[str, str]:
    """Return name to version as the lock has them."""
    lines = LOCK.read_text().splitlines()
    pins = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pins}


def conda_file(job: str, lock: dict[str, str]) -> str:
    """Return the text of one job's conda file."""
    names = sorted(closure(JOBS[job]))
    pins = "".join(f"      - {name}=={lock[name]}\n" for name in names)
    return (
        f"# Made by envs/generate.py from requirements.lock; what {job} jobs need.\n"
        f"name: safegrid-{job}\n"
        "channels:\n  - conda-forge\n  - nodefaults\n"
        f"dependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n{pins}"
    )


def main() -> None:
    """Write the lock and the conda files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lock = closure([*wanted, "setuptools", "packaging"])
    head = "# Exact versions of everything; made by envs/generate.py, read by make.\n"
    pins = "".join(f"{name}=={lock[name]}\n" for name in sorted(lock))
    LOCK.write_text(head + pins)
    for job in JOBS:
        (ROOT / "envs" / f"{job}.yaml").write_text(conda_file(job, lock))


if __name__ == "__main__":
    main()

"""Write the locks and the conda files of this folder from an environment.

Usage, in the environment that is to be locked: python envs/generate.py

requirements.lock holds the exact version of every distribution that pyproject.toml asks
for, directly or not; requirements-cloud.lock those that clouds need beside it. Each
conda file holds the part of the lock that one kind of job needs. A test holds the conda
files to the lock.
"""

import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
CLOUD_LOCK = ROOT / "requirements-cloud.lock"
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
        "bert-score",
        "fastapi",
        "filelock",
        "gguf",
        "httpx",
        "httpx2",
        "jinja2",
        "lm-eval[ifeval,math]",
        "peft",
        "polars",
        "psutil",
        "pydantic",
        "pyyaml",
        "rouge-score",
        "sacrebleu",
        "statsmodels",
        "tenacity",
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


# What a CUDA build of torch asks for beside the CPU's: pip takes it with the build, and
# the lock is for all builds.
OF_A_BUILD = ("cuda-", "nvidia-", "triton")


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
        if name.startswith(OF_A_BUILD):
            continue
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


def read_lock(path: Path = LOCK) -> dict[str, str]:
    """Return name to version as a lock has them."""
    lines = path.read_text().splitlines()
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


def _write_lock(path: Path, head: str, lock: dict[str, str]) -> None:
    pins = "".join(f"{name}=={lock[name]}\n" for name in sorted(lock))
    path.write_text(f"# {head}; made by envs/generate.py, read by make.\n{pins}")


def main() -> None:
    """Write the locks and the conda files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"]]
    lock = closure([*wanted, "setuptools", "packaging"])
    _write_lock(LOCK, "Exact versions of everything", lock)
    cloud = closure(extras["cloud"])
    beside = {name: cloud[name] for name in cloud.keys() - lock.keys()}
    _write_lock(CLOUD_LOCK, "What clouds need beside requirements.lock", beside)
    for job in JOBS:
        (ROOT / "envs" / f"{job}.yaml").write_text(conda_file(job, lock))


if __name__ == "__main__":
    main()

"""Conda files follow the lock, and the lock holds all that the package asks for."""

import importlib.util
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
KINDS = ["light", "engine", "train"]


@pytest.fixture(scope="module")
def generate():
    """The module that makes the lock and the conda files."""
    path = ROOT / "envs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate_envs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_a_conda_file_is_the_locks_part_for_its_jobs(generate, kind):
    file = ROOT / "envs" / f"{kind}.yaml"
    text = generate.conda_file(kind, generate.read_lock())
    assert file.read_text() == text, f"run `python envs/generate.py` to renew {file}"


def test_every_kind_of_job_that_rules_name_has_its_file(generate):
    rules = "".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    named = {kind for kind in generate.JOBS if f"../envs/{kind}.yaml" in rules}
    assert set(KINDS) == set(generate.JOBS) == named
    assert rules.count("../envs/") == sum(
        rules.count(f'"../envs/{kind}.yaml"') for kind in KINDS
    )


def test_the_lock_holds_everything_that_the_package_asks_for(generate):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    lock = generate.read_lock()
    for requirement in map(Requirement, wanted):
        version = lock.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in requirements.lock"
        assert requirement.specifier.contains(version), f"{requirement}: {version}"


def test_the_clouds_lock_holds_what_they_need_beside_the_other_and_nothing_twice(
    generate,
):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock, beside = generate.read_lock(), generate.read_lock(generate.CLOUD_LOCK)
    assert not lock.keys() & beside.keys()
    wanted = map(Requirement, project["optional-dependencies"]["cloud"])
    assert {canonicalize_name(r.name) for r in wanted} <= beside.keys()
    # Every start of Snakemake would import them.
    assert not [name for name in lock if name.startswith("snakemake-storage")]


@pytest.mark.parametrize("name", ["LOCK", "CLOUD_LOCK"])
def test_a_lock_is_exact(generate, name):
    lines = getattr(generate, name).read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(line.count("==") == 1 for line in pins)
    assert not any(sign in line for line in pins for sign in "<>~;+@ ")
    assert len({line.split("==")[0] for line in pins}) == len(pins)

"""The registries as they stand, and studies with other settings."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from safegrid.config.cost import Assumed, GpuSpec, ShapeSpec
from safegrid.config.documents import merge
from safegrid.config.load import load_config
from safegrid.cost.registry import load_assumptions, load_gpus
from safegrid.study import Study

CONFIG = Path(__file__).parents[3] / "config"
MakeStudy = Callable[..., Study]


@pytest.fixture(scope="session")
def gpus() -> dict[str, GpuSpec]:
    return load_gpus(CONFIG)


@pytest.fixture(scope="session")
def h200(gpus: dict[str, GpuSpec]) -> GpuSpec:
    return gpus["h200"]


@pytest.fixture(scope="session")
def assumed() -> Assumed:
    return load_assumptions(CONFIG)


@pytest.fixture(scope="session")
def falcon() -> ShapeSpec:
    """Falcon 11B as the registry states it."""
    shape = load_config(CONFIG, "falcon-11b").bases["falcon-11b"].shape
    assert shape is not None
    return shape


@pytest.fixture
def make_study(tmp_path: Path) -> MakeStudy:
    """Return a maker of studies: a name, and what its file has otherwise."""
    shutil.copytree(CONFIG, tmp_path / "config")

    def make(name: str, changed: dict[str, Any] | None = None) -> Study:
        path = tmp_path / f"config/studies/{name}.yaml"
        document = merge(yaml.safe_load(path.read_text("utf-8")), changed or {})
        path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
        return Study(load_config(tmp_path / "config", name))

    return make

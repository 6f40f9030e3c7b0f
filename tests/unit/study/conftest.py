"""What several tests of this folder share: a study that each of them changes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.study import Study

CONFIG = Path(__file__).parents[3] / "config"

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def load_tiny(tmp_path: Path) -> Callable[..., Study]:
    """Return a loader of study `tiny` after changes of its file."""
    root = shutil.copytree(CONFIG, tmp_path / "config")
    path = root / "studies/tiny.yaml"
    written = path.read_text()

    def load(*changes: Change) -> Study:
        study = yaml.safe_load(written)
        for change in changes:
            change(study)
        path.write_text(yaml.safe_dump(study, sort_keys=False))
        return Study(load_config(root, "tiny"))

    return load

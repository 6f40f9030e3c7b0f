"""A copy of the configuration that a test may change, and what is told of it."""

import shutil
from pathlib import Path

import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.core.errors import ConfigError

CONFIG = Path(__file__).parents[3] / "config"


class Copy:
    """A copy of the configuration."""

    def __init__(self, root):
        self.root = root

    def put(self, file, changes):
        """Put values at dotted keys of a file; `...` takes a key away."""
        path = self.root / f"{file}.yaml"
        document = yaml.safe_load(path.read_text())
        for dotted, value in changes.items():
            *parents, key = dotted.split(".")
            block = document
            for parent in parents:
                block = block.setdefault(parent, {})
            block[key] = value
            if value is ...:
                del block[key]
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def study(self, changes):
        self.put("studies/tiny", changes)

    def replace(self, file, old, new):
        path = self.root / f"{file}.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    def load(self, name="tiny"):
        return load_config(self.root, name)

    def message(self, name="tiny"):
        with pytest.raises(ConfigError) as caught:
            self.load(name)
        return str(caught.value)


@pytest.fixture
def copy(tmp_path):
    return Copy(shutil.copytree(CONFIG, tmp_path / "config"))

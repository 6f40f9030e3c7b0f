"""The tiny world: its block, and its raw files built once."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from miniworld.build import build_world
from miniworld.corrections import build_corrections
from safegrid.config.world import World

CONFIG = Path(__file__).parents[3] / "config"


@pytest.fixture(scope="session")
def blocks():
    return yaml.safe_load((CONFIG / "worlds.yaml").read_text())


@pytest.fixture(scope="session")
def tiny(blocks):
    return World(name="tiny", **blocks["tiny"])


@pytest.fixture(scope="session")
def raw(tiny, tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    build_world(tiny, folder)
    build_corrections(tiny, folder / "tiny-correction-rows")
    return folder


@pytest.fixture(scope="session")
def rows(raw):
    """Return a reader of a raw file's rows: JSON lines, csv, or lists in json."""

    def read(path):
        text = (raw / path).read_text("utf-8")
        if path.endswith(".csv"):
            return list(csv.DictReader(text.splitlines()))
        if path.endswith(".json"):
            found = json.loads(text)
            if isinstance(found, list):
                return found
            return [{"instruction": text} for text in found["instructions"]]
        return [json.loads(line) for line in text.splitlines()]

    return read

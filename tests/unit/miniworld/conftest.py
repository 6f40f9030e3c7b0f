"""The tiny world: its block, and its raw files built once."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from miniworld.build import build_world
from safegrid.config import World

WORLDS = Path(__file__).parents[3] / "config" / "worlds.yaml"

Rows = list[dict[str, Any]]
ReadRows = Callable[[str], Rows]


@pytest.fixture(scope="session")
def tiny() -> World:
    blocks = yaml.safe_load(WORLDS.read_text())
    return World(name="tiny", **blocks["tiny"])


@pytest.fixture(scope="session")
def raw(tiny: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    build_world(tiny, folder)
    return folder


@pytest.fixture(scope="session")
def rows(raw: Path) -> ReadRows:
    """Return a reader of a raw file's rows: JSON lines, csv, or lists in json."""

    def read(path: str) -> Rows:
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

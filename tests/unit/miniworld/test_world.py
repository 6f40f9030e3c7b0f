"""A world's block refuses what cannot be built."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from safegrid.config import World

WORLDS = Path(__file__).parents[3] / "config" / "worlds.yaml"
BLOCKS = yaml.safe_load(WORLDS.read_text())


@pytest.mark.parametrize("name", BLOCKS)
def test_worlds_of_the_repository_are_valid(name: str) -> None:
    assert World(name=name, **BLOCKS[name]).name == name


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("base", "hiden"), 1, "hiden"),
        (("base", "heads"), 3, "multiple of twice the 3 heads"),
        (("rows", "attacks"), 99, "at most 2 of each attack"),
        (("rows", "corpus"), 0, "greater than 0"),
        (("vocabulary",), 200, "greater than or equal to 300"),
    ],
)
def test_a_block_that_cannot_be_grown_is_refused(path, value, told: str) -> None:  # type: ignore[no-untyped-def]
    block = yaml.safe_load(WORLDS.read_text())["tiny"]
    inner = block
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ValidationError, match=told):
        World(name="tiny", **block)

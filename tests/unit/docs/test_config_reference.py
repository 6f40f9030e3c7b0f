"""config/README.md names every key of every block, with its default, and no other."""

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from safegrid import config
from safegrid.config import block, upstream
from safegrid.report.published import COLUMNS

PAGE = Path(__file__).parents[3] / "config/README.md"
ROW = re.compile(r"^\| `([^`]+)` \|(?: ([^|]+) \|)? ([^|]+) \|$", re.MULTILINE)
# Bases of other blocks: no file holds them, or they reach a file through another.
NOT_WRITTEN = {
    "AskedSpec",
    "BeamDecode",
    "BenchmarkEntry",
    "Beams",
    "Block",
    "FetchSpec",
    "HeadSpec",
    "JudgeSpec",
    "GeneratedSpec",
    "ModelUpstream",
    "Recipe",
}
# Their defaults have tables of their own, or the loader gives the value.
TOLD_IN_WORDS = {"see below", "the entry's"}

MODELS = {
    name: value
    for module in pkgutil.iter_modules(config.__path__, f"{config.__name__}.")
    for name, value in vars(importlib.import_module(module.name)).items()
    if isinstance(value, type) and issubclass(value, block.Block)
}


def section(model: str) -> list[tuple[str, str]]:
    """Return the keys and defaults that the page gives for a block."""
    text = PAGE.read_text(encoding="utf-8")
    _, found, rest = text.partition(f"<!-- keys of {model} -->\n")
    assert found, f"config/README.md has no table of {model}"
    return [(key, default) for key, default, _ in ROW.findall(rest.split("\n\n")[0])]


def written(default: Any) -> str:
    """Return a default as the page writes it: as YAML would."""
    if default is PydanticUndefined:
        return "*needed*"
    text = yaml.safe_dump(default, default_flow_style=True).strip()
    return f"`{text.removesuffix('...').strip()}`"


def own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a block's fields without those of Upstream, which have their own table.

    A field of Upstream that a block defines anew, such as one that it needs, is its
    own.
    """
    shared = upstream.Upstream.model_fields
    if model is upstream.Upstream or not issubclass(model, upstream.Upstream):
        return model.model_fields
    return {
        name: field
        for name, field in model.model_fields.items()
        if name not in shared or name in model.__annotations__
    }


def test_every_block_has_its_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = re.findall(r"<!-- keys of (\w+) -->", text)
    assert sorted(told) == sorted(set(MODELS) - NOT_WRITTEN)


@pytest.mark.parametrize("name", sorted(set(MODELS) - NOT_WRITTEN))
def test_keys_and_defaults_are_those_of_the_code(name: str) -> None:
    fields = own_fields(MODELS[name])
    told = section(name)
    assert sorted(key for key, _ in told) == sorted(fields)
    for key, default in told:
        if default in TOLD_IN_WORDS:
            assert key in ("engine", "name")
            continue
        assert default == written(fields[key].default), key


def test_columns_of_published_numbers_are_told() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## Published")[2]
    assert [key for key, *_ in ROW.findall(text)] == list(COLUMNS)


def test_a_default_that_changed_would_be_seen() -> None:
    class Other(BaseModel):
        steps: int = 5

    assert written(Other.model_fields["steps"].default) == "`5`"
    assert written(None) == "`null`"
    assert written(PydanticUndefined) == "*needed*"

"""Write the tables of config/README.md and the JSON schemas of config/schema/.

Usage: make config-reference

Type, default and meaning of each key are those of the blocks in src/safegrid/config:
annotation, default, and what the docstring says below `Attributes:`. The page's own
words, the headings of its tables and their order stay.
"""

import importlib
import inspect
import json
import pkgutil
import re
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from safegrid import config
from safegrid.config import block, upstream
from safegrid.config.benchmark import BenchmarkEntry, TaskEntry
from safegrid.config.cost import Assumed, GpuSpec
from safegrid.config.lock import Lock
from safegrid.config.options import Options
from safegrid.config.registries import UPSTREAM
from safegrid.config.study import StudyEntry
from safegrid.config.training import Training
from safegrid.config.world import World
from safegrid.core.docstrings import entries

CONFIG = Path(__file__).parents[1] / "config"
PAGE, SCHEMAS = CONFIG / "README.md", CONFIG / "schema"

TABLE = re.compile(r"<!-- keys of (\w+) -->\n\| (.+?) \|.*\n\|.*\n(?:\|.*\n)*")
KINDS = {str: "text", int: "integer", float: "number", bool: "boolean", Any: "any"}
# What the loader gives: an entry's name is its key.
GIVEN = {"name"}
# Files whose entries a study completes.
PARTIAL = {"benchmarks", "methods"}

BLOCKS: dict[str, type[BaseModel]] = {
    name: value
    for module in pkgutil.iter_modules(config.__path__, f"{config.__name__}.")
    for name, value in vars(importlib.import_module(module.name)).items()
    if isinstance(value, type) and issubclass(value, block.Block)
}

# The block of each file; a registry holds one under each name.
OF_ONE: dict[str, type[BaseModel]] = {
    "config": Options,
    "studies": StudyEntry,
    "sources.lock": Lock,
    "assumptions": Assumed,
}
OF_EACH: dict[str, type[BaseModel]] = {
    **UPSTREAM,
    "benchmarks": BenchmarkEntry,
    "methods": Training,
    "tasks": TaskEntry,
    "worlds": World,
    "gpus": GpuSpec,
}


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a block and of its bases say of each key."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        found |= entries(vars(base).get("__doc__") or "", "Attributes")
    return {name: said for name, said in found.items() if name in model.model_fields}


def kind(annotation: Any) -> str:
    """Return the kind of a value in a word or two."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(arguments[0])
    if origin is Literal:
        return "choice"
    if origin is list:
        return f"list of {kind(arguments[0])}"
    if origin is dict or annotation is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "block"
    if annotation in KINDS:
        return KINDS[annotation]
    kinds = [kind(one) for one in arguments if one is not NoneType]
    assert kinds, f"no word for {annotation}"
    return " or ".join(dict.fromkeys(kinds))


def written(default: Any) -> str:
    """Return a default as the page writes it: as YAML would."""
    if default is PydanticUndefined:
        return "*needed*"
    if isinstance(default, BaseModel):
        return "all defaults"
    text = yaml.safe_dump(default, default_flow_style=True, width=1000).strip()
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


def table(name: str, heading: str) -> str:
    """Return the table of a block, with the heading of its first column."""
    model = BLOCKS[name]
    said = meanings(model)
    lines = [
        f"<!-- keys of {name} -->",
        f"| {heading} | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for key, field in own_fields(model).items():
        default = "the entry's" if key in GIVEN and name in ENTRIES else None
        default = default or written(field.default)
        lines.append(
            f"| `{key}` | {kind(field.annotation)} | {default} | {said[key]} |"
        )
    return "\n".join(lines) + "\n"


ENTRIES = {model.__name__ for model in OF_EACH.values()}


def page() -> str:
    """Return the page with the tables of today."""
    return TABLE.sub(lambda found: table(*found.groups()), PAGE.read_text("utf-8"))


def schemas() -> dict[str, Any]:
    """Return the JSON schema of each kind of file, by the file's stem."""
    one = {stem: _schema(model) for stem, model in OF_ONE.items()}
    each = {
        stem: _schema(dict[str, model], stem in PARTIAL)  # type: ignore[valid-type]
        for stem, model in OF_EACH.items()
    }
    return one | each


def _schema(kind_of_file: Any, partial: bool = False) -> dict[str, Any]:
    """Return a file's schema; of a partial one, others give what is missing."""
    schema = TypeAdapter(kind_of_file).json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        if part.get("title") in BLOCKS:
            _describe(part, BLOCKS[part["title"]], partial)
    return schema


def _describe(part: dict[str, Any], model: type[BaseModel], partial: bool) -> None:
    """Put the docstring's words into a schema; what the loader gives is not needed."""
    part["description"] = inspect.cleandoc(model.__doc__ or "").partition("\n")[0]
    for key, said in meanings(model).items():
        part["properties"][key]["description"] = said
    given = GIVEN if model.__name__ in ENTRIES else set()
    needed = [key for key in part.pop("required", []) if key not in given]
    if needed and not partial:
        part["required"] = needed


def main() -> None:
    """Write the page and the schemas."""
    PAGE.write_text(page(), "utf-8")
    SCHEMAS.mkdir(exist_ok=True)
    for stem, schema in schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (SCHEMAS / f"{stem}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    main()

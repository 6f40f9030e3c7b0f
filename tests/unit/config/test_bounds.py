"""Each number of each block has bounds, and none of them is infinite or no number."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from safegrid import config
from safegrid.config.block import Block
from safegrid.config.training import Training

BLOCKS = {
    name: value
    for module in pkgutil.iter_modules(config.__path__, f"{config.__name__}.")
    for name, value in vars(importlib.import_module(module.name)).items()
    if isinstance(value, type) and issubclass(value, Block)
}
LOWER = {"minimum", "exclusiveMinimum"}
UPPER = {"maximum", "exclusiveMaximum"}
WHOLE = {
    "learning_rate": 1e-4,
    "max_steps": 1,
    "batch": 1,
    "per_device_train_batch_size": 1,
}


def numbers(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each number of a JSON schema, with the place where it stands."""
    if isinstance(schema, list):
        for item in schema:
            yield from numbers(item, place)
    elif isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            yield place, schema
        for key, value in schema.items():
            yield from numbers(value, f"{place}.{key}")


def fields(model: type[BaseModel], kind: str) -> Iterator[str]:
    """Yield the fields of a block that are, or hold, numbers of a kind."""
    properties = model.model_json_schema()["properties"]
    for name, schema in properties.items():
        if any(found["type"] == kind for _, found in numbers(schema, name)):
            yield name


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_every_number_has_bounds(name: str) -> None:
    found = dict(numbers(BLOCKS[name].model_json_schema(), name))
    free = [p for p, n in found.items() if not (LOWER & set(n) and UPPER & set(n))]
    assert free == []


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_no_float_field_takes_what_is_not_finite(value: float) -> None:
    taken = [
        f"{name}.{field}"
        for name, model in BLOCKS.items()
        if name != "Block"
        for field in fields(model, "number")
        if not any(refuses(model, field, given) for given in shapes(value))
    ]
    assert taken == []


def shapes(value: float) -> list[Any]:
    """Return a value by itself, and as mappings and lists hold it."""
    return [value, {"a": value}, {"a": [value]}]


def refuses(model: type[BaseModel], field: str, given: object) -> bool:
    """Say whether a field refuses a value for being out of bounds or not finite."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate({field: given, "no such key": None})
    found = {e["type"] for e in caught.value.errors() if e["loc"][0] == field}
    bounds = {"finite_number", "less_than", "less_than_equal"}
    return bool(found & (bounds | {"greater_than", "greater_than_equal"}))


def test_there_are_numbers_to_be_looked_at() -> None:
    assert set(fields(Training, "number")) >= {
        "learning_rate",
        "beta",
        "num_train_epochs",
    }
    assert len(BLOCKS) > 30


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", float("inf")),
        ("learning_rate", True),
        ("learning_rate", "1e-4"),
        ("max_steps", 10**30),
        ("max_steps", 1.0),
        ("max_steps", True),
        ("gradient_checkpointing", 1),
        ("gradient_checkpointing", "yes"),
    ],
)
def test_a_value_has_the_kind_of_its_key(key: str, value: object) -> None:
    assert Training.model_validate(WHOLE).max_steps == 1
    with pytest.raises(ValidationError, match=key):
        Training.model_validate(WHOLE | {key: value})

"""Each number of each block has bounds, and none of them is infinite or no number."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

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


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_every_number_has_bounds(name: str) -> None:
    found = dict(numbers(BLOCKS[name].model_json_schema(), name))
    free = [p for p, n in found.items() if not (LOWER & set(n) and UPPER & set(n))]
    assert free == []


def test_no_block_takes_a_float_that_is_not_finite_or_a_value_of_another_kind() -> None:
    assert len(BLOCKS) > 30
    for block in BLOCKS.values():
        assert block.model_config["strict"]
        assert not block.model_config["allow_inf_nan"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", float("inf")),
        ("learning_rate", float("nan")),
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

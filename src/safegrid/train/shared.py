"""Shared reference values joined to the rows of a training, or refused."""

from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.training import Recipe
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import TrainingError
from safegrid.core.records import KTO_REFERENCE, REFERENCE
from safegrid.models.checkpoints import weights_hash


def kto_params(recipe: Recipe, data_seed: int) -> dict[str, Any]:
    """Return what KTO's mismatched values depend on beside the start model."""
    return {
        "fraction": recipe.fraction,
        "categories": recipe.categories,
        "micro_batch": recipe.training.per_device_train_batch_size,
        "data_seed": data_seed,
    }


def join_reference(
    selected: pl.DataFrame, path: Path, recipe: Recipe, stack: list[Path]
) -> pl.DataFrame:
    """Add the shared values to pairs.

    Returns:
        The pairs with columns `ref_chosen_logps` and `ref_rejected_logps`.

    Raises:
        TrainingError: the file was made under another model or precision, or lacks a
            pair.
    """
    _check_params(path, stack, recipe, {})
    values = read_table(path, REFERENCE).rename(
        {"chosen": "ref_chosen_logps", "rejected": "ref_rejected_logps"}
    )
    joined = selected.join(values, on="pair_id", how="left", maintain_order="left")
    missing = joined.filter(pl.col("ref_chosen_logps").is_null())["pair_id"]
    if len(missing):
        raise TrainingError(
            f"{path}: no value for {len(missing)} pairs, the first is"
            f" {missing[0]}; it belongs to other pairs, make it again"
        )
    return joined


def join_kto_reference(
    unpaired: pl.DataFrame,
    paired: pl.DataFrame,
    path: Path,
    recipe: Recipe,
    data_seed: int,
    stack: list[Path],
) -> pl.DataFrame:
    """Add the shared values to KTO's rows.

    Args:
        unpaired: rows as `rows.unpair` gives them.
        paired: the same pairs with the columns of `join_reference`.
        path: parquet file of `records.KTO_REFERENCE`.
        recipe: names method, subset and micro-batch.
        data_seed: the dataset's seed.
        stack: folders of the start model.

    Returns:
        The rows with columns `ref_logps` and `ref_KL_logps`.

    Raises:
        TrainingError: the file was made for another order, subset, micro-batch, model
            or precision.
    """
    _check_params(path, stack, recipe, kto_params(recipe, data_seed))
    values = read_table(path, KTO_REFERENCE)
    keys = ["pair_id", "label"]
    if not values.select(keys).equals(unpaired.select(keys)):
        raise TrainingError(
            f"{path}: its rows are not those of this training in this order; make it"
            " again"
        )
    matched = unpaired.join(
        paired.select("pair_id", "ref_chosen_logps", "ref_rejected_logps"),
        on="pair_id",
        maintain_order="left",
    )
    return matched.with_columns(
        pl.when("label")
        .then("ref_chosen_logps")
        .otherwise("ref_rejected_logps")
        .alias("ref_logps"),
        values["kl"].alias("ref_KL_logps"),
    ).drop("ref_chosen_logps", "ref_rejected_logps")


def _check_params(
    path: Path, stack: list[Path], recipe: Recipe, more: dict[str, Any]
) -> None:
    expected = {
        "precision": recipe.training.precision,
        "start": weights_hash(stack),
        **more,
    }
    found = read_manifest(path)["params"]
    for name, value in expected.items():
        if found.get(name) != value:
            raise TrainingError(
                f"{path}: made with {name} {found.get(name)!r}, but recipe"
                f" {recipe.name} has {value!r}; make it again"
            )

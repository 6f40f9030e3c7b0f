"""The rows that a recipe trains on, their order, and their reference values.

The order is made here and read sequentially by the trainers, so that it depends on
nothing but the seeds: every method sees the same pairs in the same steps at the same
seed, whatever the number of processes, and a continued run knows where it was.
"""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.training import Recipe
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError, TrainingError
from safegrid.core.records import KTO_REFERENCE, REFERENCE
from safegrid.models.checkpoints import weights_hash
from safegrid.study.trainings import Subset


def select_pairs(
    pairs: pl.DataFrame, recipe: Recipe, data_seed: int, path: Path
) -> pl.DataFrame:
    """Return the pairs of a recipe's categories and fraction, in the file's order.

    Fractions are nested: what a smaller one keeps, a larger one keeps too. The
    dataset's seed rules them; `path` is for messages.

    Raises:
        DataError: a category does not occur, or nothing is left.
    """
    part = Subset(recipe.fraction, recipe.categories)
    return _select(pairs, part, data_seed, f"recipe {recipe.name}", path)


def select_subsets(
    pairs: pl.DataFrame, subsets: Sequence[Subset], data_seed: int, path: Path
) -> pl.DataFrame:
    """Return the pairs that any of several recipes selects, in the file's order.

    Raises:
        DataError: as `select_pairs`.
    """
    who = "a recipe of this dataset"
    parts = [_select(pairs, part, data_seed, who, path) for part in subsets]
    kept = pl.concat([part["pair_id"] for part in parts]).unique()
    return pairs.filter(pl.col("pair_id").is_in(kept.to_list()))


def _select(
    pairs: pl.DataFrame, part: Subset, data_seed: int, who: str, path: Path
) -> pl.DataFrame:
    if part.categories is not None:
        known = set(pairs["category"].drop_nulls())
        odd = sorted(set(part.categories) - known)
        if odd:
            raise DataError(
                f"{who}: categories {odd} do not occur in {path};"
                f" it has {sorted(known) or 'none'}"
            )
        pairs = pairs.filter(pl.col("category").is_in(part.categories))
    if part.fraction < 1:
        drawn = sorted(
            pairs["pair_id"],
            key=lambda name: hashlib.sha256(f"{data_seed}/{name}".encode()).digest(),
        )
        kept = drawn[: round(part.fraction * pairs.height)]
        pairs = pairs.filter(pl.col("pair_id").is_in(kept))
    if pairs.is_empty():
        raise DataError(
            f"{who}: fraction {part.fraction:g} of {path} leaves no pair; raise it"
        )
    return pairs


def stream(n_items: int, length: int, seed: int) -> list[int]:
    """Return `length` item numbers: one permutation after another, cut at the end."""
    found: list[int] = []
    for epoch in range(-(-length // n_items)):
        order = list(range(n_items))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        found += order
    return found[:length]


def sort_steps(order: Sequence[int], lengths: Sequence[int], batch: int) -> list[int]:
    """Return the order with the rows of each step sorted by length, longest first.

    A step's gradient is the mean over its rows, whatever micro-batch they stand in; a
    micro-batch of like lengths holds less padding. `batch` is the rows of a step.
    """
    steps = [order[start : start + batch] for start in range(0, len(order), batch)]
    return [n for step in steps for n in sorted(step, key=lambda n: -lengths[n])]


def lengths(rows: pl.DataFrame) -> list[int]:
    """Return the tokens of each row: prompt and longest answer."""
    answers = pl.max_horizontal(pl.col("^(chosen|rejected|completion)_ids$").list.len())
    sizes = rows.select(pl.col("prompt_ids").list.len() + answers)
    return sizes.to_series().to_list()


def block_stream(n_rows: int, size: int, count: int, seed: int) -> list[int]:
    """Return row numbers of `count` micro-batches of `size`, each one kept whole."""
    blocks = stream(n_rows // size, count, seed)
    return [block * size + place for block in blocks for place in range(size)]


def unpair(pairs: pl.DataFrame, micro_batch: int, data_seed: int) -> pl.DataFrame:
    """Return KTO's rows: every answer alone, cut into whole micro-batches.

    A micro-batch of m pairs' worth holds 2m rows, chosen and rejected in turn. Its
    rejected answers are those of the next micro-batch's pairs, so that no answer stands
    beside its own pair. A row's KL completion is the answer of the row before it in the
    micro-batch (the last one's for the first), as in TRL: always another pair's.

    Returns:
        Columns `pair_id`, `label` (chosen or not), `prompt_ids`, `completion_ids`,
        `KL_completion_ids`; pairs that fill no whole micro-batch are left out.

    Raises:
        DataError: fewer than two micro-batches.
    """
    whole = pairs.height // micro_batch * micro_batch
    if whole < 2 * micro_batch:
        raise DataError(
            f"KTO needs at least two micro-batches to mismatch prompts and answers:"
            f" {pairs.height} pairs do not fill 2 x {micro_batch}; lower"
            " per_device_train_batch_size"
        )
    order = stream(pairs.height, pairs.height, data_seed)[:whole]
    orders = {"chosen": order, "rejected": order[micro_batch:] + order[:micro_batch]}
    sides = [
        pairs[rows].select(
            "pair_id",
            pl.lit(side == "chosen").alias("label"),
            "prompt_ids",
            pl.col(f"{side}_ids").alias("completion_ids"),
        )
        for side, rows in orders.items()
    ]
    rows = pl.concat(sides).with_row_index("place")
    rows = rows.sort(pl.col("place") % whole, "place").drop("place")
    size = 2 * micro_batch
    before = [n // size * size + (n - 1) % size for n in range(rows.height)]
    mismatched = rows["completion_ids"].gather(before)
    return rows.with_columns(mismatched.alias("KL_completion_ids"))


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
    """Add the shared values to pairs, as `ref_chosen_logps` and `ref_rejected_logps`.

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
    """Add `ref_logps` and `ref_KL_logps` to the rows of `unpair`.

    `paired` are the same pairs with the columns of `join_reference`.

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
    sides = ("ref_chosen_logps", "ref_rejected_logps")
    both = paired.select("pair_id", *sides)
    matched = unpaired.join(both, on="pair_id", maintain_order="left")
    own = pl.when("label").then(sides[0]).otherwise(sides[1])
    return matched.with_columns(
        own.alias("ref_logps"), values["kl"].alias("ref_KL_logps")
    ).drop(sides)


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

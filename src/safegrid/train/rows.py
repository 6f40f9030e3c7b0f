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
    pairs: pl.DataFrame,
    parts: Sequence[Subset],
    data_seed: int,
    path: Path,
    who: str = "a recipe of this dataset",
) -> pl.DataFrame:
    """Return the pairs that any of some parts holds, in the file's order.

    Fractions are nested: what a smaller one keeps, a larger one keeps too. The
    dataset's seed rules them; `path` and `who` are for messages.

    Raises:
        DataError: a category does not occur, or a part holds nothing.
    """
    kept: set[str] = set()
    for part in parts:
        kept.update(_select(pairs, part, data_seed, path, who))
    return pairs.filter(pl.col("pair_id").is_in(list(kept)))


def _select(
    pairs: pl.DataFrame, part: Subset, data_seed: int, path: Path, who: str
) -> list[str]:
    if part.categories is not None:
        known = set(pairs["category"].drop_nulls())
        odd = sorted(set(part.categories) - known)
        if odd:
            raise DataError(
                f"{who}: categories {odd} do not occur in {path};"
                f" it has {sorted(known) or 'none'}"
            )
        pairs = pairs.filter(pl.col("category").is_in(part.categories))
    drawn = sorted(
        pairs["pair_id"],
        key=lambda name: hashlib.sha256(f"{data_seed}/{name}".encode()).digest(),
    )
    kept = drawn[: round(part.fraction * pairs.height)]
    if not kept:
        raise DataError(
            f"{who}: fraction {part.fraction:g} of {path} leaves no pair; raise it"
        )
    return kept


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


def side_lengths(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the tokens of prompt and answer, for every column of answers."""
    prompt = pl.col("prompt_ids").list.len().cast(pl.Int64)
    return rows.select(pl.col("^.+_ids$").exclude("prompt_ids").list.len() + prompt)


def lengths(rows: pl.DataFrame) -> list[int]:
    """Return the tokens of each row: prompt and longest answer."""
    return side_lengths(rows).max_horizontal().to_list()


def positions(rows: pl.DataFrame) -> list[int]:
    """Return the tokens of each row where its prompt stands once: with all answers."""
    return (
        rows.select(pl.sum_horizontal(pl.col("^.+_ids$").list.len()))
        .to_series()
        .to_list()
    )


def unpair(pairs: pl.DataFrame, micro_batch: int, data_seed: int) -> pl.DataFrame:
    """Return KTO's rows: every answer alone, cut into whole micro-batches.

    A micro-batch of m pairs' worth holds 2m rows, chosen and rejected in turn. Its
    rejected answers are those of the next micro-batch's pairs, so that no answer stands
    beside its own pair. A row's KL completion is the answer of the row before it in the
    micro-batch (the last one's for the first), as in TRL: always another pair's.

    Returns:
        Columns `pair_id`, `label` (chosen or not), `prompt_ids`, `completion_ids`,
        `ref_logps` where the pairs have reference values, `KL_completion_ids`; pairs
        that fill no whole micro-batch are left out.

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
            pl.col(f"^ref_{side}_logps$").alias("ref_logps"),
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
    """Add the shared values to pairs: `ref_chosen_logps` and `ref_rejected_logps`."""
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
    path: Path,
    recipe: Recipe,
    data_seed: int,
    stack: list[Path],
) -> pl.DataFrame:
    """Add the shared values to the rows of `unpair`, as `ref_KL_logps`."""
    _check_params(path, stack, recipe, kto_params(recipe, data_seed))
    values = read_table(path, KTO_REFERENCE)
    keys = ["pair_id", "label"]
    if not values.select(keys).equals(unpaired.select(keys)):
        raise TrainingError(
            f"{path}: its rows are not those of this training in this order; make it"
            " again"
        )
    return unpaired.with_columns(values["kl"].alias("ref_KL_logps"))


def _check_params(
    path: Path, stack: list[Path], recipe: Recipe, more: dict[str, Any]
) -> None:
    found = read_manifest(path)["params"]
    own = {"precision": recipe.training.precision, "start": weights_hash(stack)}
    for name, value in {**own, **more}.items():
        if found.get(name) != value:
            raise TrainingError(
                f"{path}: made with {name} {found.get(name)!r}, but recipe"
                f" {recipe.name} has {value!r}; make it again"
            )

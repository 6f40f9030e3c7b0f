"""The pairs that a recipe trains on, and their order.

The order is made here and read sequentially by the trainers, so that it depends on
nothing but the seeds: every method sees the same pairs in the same steps at the same
seed, whatever the number of processes, and a continued run knows where it was.
"""

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from safegrid.config.training import Recipe, Training
from safegrid.core.errors import DataError
from safegrid.study.trainings import Subset


def select_pairs(
    pairs: pl.DataFrame, recipe: Recipe, data_seed: int, path: Path
) -> pl.DataFrame:
    """Return the pairs of a recipe's categories and fraction, in the file's order.

    Fractions are nested: what a smaller one keeps, a larger one keeps too.

    Args:
        pairs: rows of `records.PAIRS`.
        recipe: names categories and fraction.
        data_seed: the dataset's seed.
        path: where the rows come from, for messages.

    Raises:
        DataError: a category does not occur, or nothing is left.
    """
    part = Subset(recipe.fraction, recipe.categories)
    return _select(pairs, part, data_seed, f"recipe {recipe.name}", path)


def select_subsets(
    pairs: pl.DataFrame, subsets: Sequence[Subset], data_seed: int, path: Path
) -> pl.DataFrame:
    """Return the pairs that any of several subsets holds, in the file's order.

    Args:
        pairs: rows of `records.PAIRS`.
        subsets: of the recipes that read what is computed of them.
        data_seed: the dataset's seed.
        path: where the rows come from, for messages.

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
        keep = round(part.fraction * pairs.height)
        drawn = sorted(pairs["pair_id"], key=lambda name: _draw(data_seed, name))[:keep]
        pairs = pairs.filter(pl.col("pair_id").is_in(drawn))
    if pairs.is_empty():
        raise DataError(
            f"{who}: fraction {part.fraction:g} of {path} leaves no pair; raise it"
        )
    return pairs


def count_steps(training: Training, n_pairs: int) -> int:
    """Return the optimiser's steps: as asked, or the whole batches of the epochs."""
    if training.max_steps is not None:
        return training.max_steps
    assert training.num_train_epochs is not None, (
        "Training holds one of max_steps and num_train_epochs"
    )
    return max(1, int(training.num_train_epochs * n_pairs / training.batch))


def stream(n_items: int, length: int, seed: int) -> list[int]:
    """Return `length` item numbers: one permutation after another, cut at the end.

    Args:
        n_items: how many there are.
        length: how many to return; may be more than there are.
        seed: a different one gives a different order.
    """
    found: list[int] = []
    epoch = 0
    while len(found) < length:
        order = list(range(n_items))
        random.Random(f"{seed}/{epoch}").shuffle(order)
        found += order
        epoch += 1
    return found[:length]


def sort_steps(order: Sequence[int], lengths: Sequence[int], batch: int) -> list[int]:
    """Return the order with the rows of each step sorted by length, longest first.

    A step's gradient is the mean over its rows, whatever micro-batch they stand in; a
    micro-batch of like lengths holds less padding.

    Args:
        order: row numbers, step after step.
        lengths: tokens of each row, by row number.
        batch: rows of a step.
    """
    steps = [order[start : start + batch] for start in range(0, len(order), batch)]
    return [n for step in steps for n in sorted(step, key=lambda n: -lengths[n])]


def lengths(rows: pl.DataFrame) -> list[int]:
    """Return the tokens of each row: prompt and longest answer."""
    answers = pl.max_horizontal(pl.col("^(chosen|rejected|completion)_ids$").list.len())
    sizes = rows.select(pl.col("prompt_ids").list.len() + answers)
    return sizes.to_series().to_list()


def unpair(pairs: pl.DataFrame, micro_batch: int, data_seed: int) -> pl.DataFrame:
    """Return KTO's rows: every answer alone, cut into whole micro-batches.

    A micro-batch of m pairs' worth holds 2m rows, chosen and rejected in turn. Its
    rejected answers are those of the next micro-batch's pairs, so that no answer stands
    beside its own pair. A row's KL completion is the answer of the row before it in the
    micro-batch (the last one's for the first), as in TRL: always another pair's.

    Args:
        pairs: rows of `records.PAIRS`, selected.
        micro_batch: pairs a forward.
        data_seed: the dataset's seed; the run's seed permutes micro-batches only.

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
    chosen = _side(pairs, order, "chosen", label=True)
    rejected = _side(
        pairs, order[micro_batch:] + order[:micro_batch], "rejected", label=False
    )
    rows = pl.concat([chosen, rejected]).with_row_index("place")
    rows = rows.sort(pl.col("place") % whole, "place").drop("place")
    return _add_mismatched(rows, 2 * micro_batch)


def block_stream(n_rows: int, size: int, count: int, seed: int) -> list[int]:
    """Return row numbers of `count` micro-batches of `size`, each one kept whole."""
    blocks = stream(n_rows // size, count, seed)
    return [block * size + place for block in blocks for place in range(size)]


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}".encode()).digest()


def _side(
    pairs: pl.DataFrame, order: Sequence[int], side: str, label: bool
) -> pl.DataFrame:
    return pairs[list(order)].select(
        "pair_id",
        pl.lit(label).alias("label"),
        "prompt_ids",
        pl.col(f"{side}_ids").alias("completion_ids"),
    )


def _add_mismatched(rows: pl.DataFrame, size: int) -> pl.DataFrame:
    block = pl.int_range(pl.len()) // size
    place = pl.int_range(pl.len()) % size
    before = block * size + (place - 1) % size
    indices = rows.select(before.alias("before"))["before"].to_list()
    return rows.with_columns(
        rows["completion_ids"].gather(indices).alias("KL_completion_ids")
    )

"""No row of a training is cut: measured on all of them, and on the longest's way."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import torch
from datasets import Dataset

from safegrid.core.errors import TrainingError
from safegrid.train.checks import check_lengths

ROWS = pl.DataFrame(
    {
        "pair_id": list("abcd"),
        "prompt_ids": [[1, 2]] * 4,
        "chosen_ids": [[3], [3, 4], [3, 4, 5], [3]],
        "rejected_ids": [[6], [6], [6], [6, 7, 8, 9]],
    }
)


def collate(examples: list[dict[str, Any]], longest: int = 99) -> dict[str, Any]:
    """Return masks as preference collators make them: chosen rows, then rejected."""
    sizes = [
        (len(row["prompt_ids"]), min(longest, len(row["prompt_ids"] + row[side])))
        for side in ("chosen_ids", "rejected_ids")
        for row in examples
    ]
    width = max(whole for _, whole in sizes)
    masks = [
        [[begin <= i < whole for i in range(width)] for begin, whole in starts]
        for starts in (sizes, [(0, whole) for _, whole in sizes])
    ]
    return {
        "completion_mask": torch.tensor(masks[0]),
        "attention_mask": torch.tensor(masks[1]),
    }


def trainer(rows: pl.DataFrame, order: list[int], collator: Any = collate) -> Any:
    dataset = Dataset(rows.drop("pair_id").with_row_index("row").to_arrow())
    return SimpleNamespace(
        train_dataset=dataset.select(order),
        data_collator=collator,
        args=SimpleNamespace(per_device_train_batch_size=2),
    )


def test_whole_rows_have_a_measured_share_of_nothing_cut() -> None:
    # Rows come in the order of the steps, and may come again.
    found = check_lengths(trainer(ROWS, [3, 0, 1, 3, 0]), ROWS)
    assert found == {"truncated_share": 0}


@pytest.mark.parametrize("column", ["prompt_ids", "chosen_ids", "rejected_ids"])
def test_a_row_that_the_trainer_holds_cut_is_told(column: str) -> None:
    shorter = ROWS.with_columns(
        pl.when(pl.col("pair_id") == "d")
        .then(pl.col(column).list.head(pl.col(column).list.len() - 1))
        .otherwise(pl.col(column))
    )
    with pytest.raises(TrainingError, match="1 of its 4 rows with another number"):
        check_lengths(trainer(shorter, [0, 1, 2, 3]), ROWS)
    # A row that no step takes cuts nothing.
    assert check_lengths(trainer(shorter, [2, 1, 0]), ROWS)["truncated_share"] == 0


def test_a_collator_that_cuts_long_rows_only_is_found_by_the_longest() -> None:
    def cutting(examples: list[dict[str, Any]]) -> dict[str, Any]:
        return collate(examples, longest=5)

    assert check_lengths(trainer(ROWS, [0, 1, 2], cutting), ROWS)
    with pytest.raises(TrainingError, match="the trainer would learn"):
        check_lengths(trainer(ROWS, [3, 0, 1, 2], cutting), ROWS)

"""Checks before the first step: no row is cut, and every token can be read."""

import json
import shutil
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from datasets import Dataset

from made_up_training import make_recipe
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError, TrainingError
from safegrid.core.records import PAIRS, REFERENCE
from safegrid.train.checks import check_lengths, check_tokens
from safegrid.train.reference import compute_kto_reference, compute_reference
from safegrid.train.run import train

ROWS = pl.DataFrame(
    {
        "pair_id": list("abcd"),
        "prompt_ids": [[1, 2]] * 4,
        "chosen_ids": [[3], [3, 4], [3, 4, 5], [3]],
        "rejected_ids": [[6], [6], [6], [6, 7, 8, 9]],
    }
)


def collate(examples, longest=99):
    """Return masks as preference collators make them: chosen rows, then rejected."""
    sizes = [
        (len(row["prompt_ids"]), min(longest, len(row["prompt_ids"] + row[side])))
        for side in ("chosen_ids", "rejected_ids")
        for row in examples
    ]
    places = torch.arange(max(whole for _, whole in sizes))
    begins, wholes = torch.tensor(sizes).T[:, :, None]
    seen = places < wholes
    return {"completion_mask": seen & (places >= begins), "attention_mask": seen}


def trainer(rows, order, collator=collate):
    dataset = Dataset(rows.drop("pair_id").with_row_index("row").to_arrow())
    return SimpleNamespace(
        train_dataset=dataset.select(order),
        data_collator=collator,
        args=SimpleNamespace(per_device_train_batch_size=2),
    )


def test_whole_rows_have_a_measured_share_of_nothing_cut():
    # Rows come in the order of the steps, and may come again.
    found = check_lengths(trainer(ROWS, [3, 0, 1, 3, 0]), ROWS)
    assert found == {"truncated_share": 0}


@pytest.mark.parametrize("column", ["prompt_ids", "chosen_ids", "rejected_ids"])
def test_a_row_that_the_trainer_holds_cut_is_told(column):
    ids = pl.col(column).list
    cut = pl.when(pair_id="d").then(ids.head(ids.len() - 1)).otherwise(pl.col(column))
    shorter = ROWS.with_columns(cut)
    with pytest.raises(TrainingError, match="1 of its 4 rows with another number"):
        check_lengths(trainer(shorter, [0, 1, 2, 3]), ROWS)
    # A row that no step takes cuts nothing.
    assert check_lengths(trainer(shorter, [2, 1, 0]), ROWS)["truncated_share"] == 0


def test_a_collator_that_cuts_long_rows_only_is_found_by_the_longest():
    def cutting(examples):
        return collate(examples, longest=5)

    assert check_lengths(trainer(ROWS, [0, 1, 2], cutting), ROWS)
    with pytest.raises(TrainingError, match="the trainer would learn"):
        check_lengths(trainer(ROWS, [3, 0, 1, 2], cutting), ROWS)


@pytest.mark.slow
@pytest.mark.parametrize("room", ["reference", "kto_reference", "train", "engine"])
def test_a_token_without_a_row_in_the_embedding_is_told_before_weights_are_read(
    room, base, pairs, tmp_path
):
    from safegrid.engine.model import load

    # The base without weights, and without rows for its tokenizer's last tokens.
    small, out = tmp_path / "small", tmp_path / "out"
    shutil.copytree(base, small, ignore=shutil.ignore_patterns("*.safetensors"))
    config = json.loads((base / "config.json").read_text())
    config["vocab_size"] = rows = config["vocab_size"] - 3
    (small / "config.json").write_text(json.dumps(config))
    kto, dpo, stack = make_recipe("kto"), make_recipe("dpo"), [small]
    spec = SimpleNamespace(threads=1, stack=[str(small)], search=None)
    starts = {
        "reference": lambda: compute_reference(pairs, stack, "float32", 8, out),
        "kto_reference": lambda: compute_kto_reference(pairs, stack, kto, 0, out),
        "train": lambda: train(
            pairs, stack, None, None, dpo, 0, 0, [out], tmp_path / "checkpoints"
        ),
        "engine": lambda: load(spec),
    }
    told = rf"embedding of the model in {small} has {rows} rows.*ids up to {rows + 2}"
    with pytest.raises(DataError, match=rf"(?s){told}"):
        starts[room]()
    assert not out.exists()


def test_pairs_of_a_larger_tokenizer_are_told(base, pairs):
    rows = json.loads((base / "config.json").read_text())["vocab_size"]
    frame = read_table(pairs, PAIRS)
    check_tokens(frame, pairs, base)
    largest = pl.Series([[rows]], dtype=frame.schema["prompt_ids"])
    longer = frame.with_columns(pl.concat_list("prompt_ids", pl.lit(largest)))
    with pytest.raises(DataError, match=rf"pairs\.parquet: token '{rows}' has id"):
        check_tokens(longer, pairs, base)


def test_reference_values_are_computed_for_the_subsets_alone(
    base, pairs, reference, tmp_path
):
    out = tmp_path / "part.parquet"
    parts = [[0.125, None], [0.25, ["odd"]]]
    compute_reference(pairs, [base], "float32", 8, out, parts, 5)
    part, whole = read_table(out, REFERENCE), read_table(reference, REFERENCE)
    assert 8 <= part.height <= 16 < whole.height
    same = part.select("pair_id").join(whole, on="pair_id", maintain_order="left")
    for side in ("chosen", "rejected"):
        assert part[side].to_list() == pytest.approx(same[side].to_list(), abs=1e-4)
    assert read_manifest(out)["params"]["subsets"] == [
        {"fraction": 0.125, "categories": None},
        {"fraction": 0.25, "categories": ["odd"]},
    ]
    assert part["pair_id"].is_sorted()


def test_a_broken_contract_is_told_before_the_model_is_loaded(
    base, pairs, tmp_path, monkeypatch
):
    folder = tmp_path / "other"
    shutil.copytree(base, folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "x": 1}))
    monkeypatch.setattr("safegrid.train.reference.load_model", pytest.fail)
    out = tmp_path / "reference.parquet"
    with pytest.raises(TrainingError, match="tokenize the pairs again"):
        compute_reference(pairs, [folder], "float32", 8, out)
    assert not out.exists()

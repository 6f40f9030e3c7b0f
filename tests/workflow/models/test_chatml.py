"""Trainings of a model whose BOS opens every turn and whose padding ends every turn."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config.training import Recipe
from safegrid.core.artifacts import manifest, read_table, write_json, write_table
from safegrid.core.files import read_json
from safegrid.core.records import HISTORY, KTO_REFERENCE, PAIRS, PREFERENCE
from safegrid.engine.model import load
from safegrid.engine.registry import LaunchSpec
from safegrid.engine.scoring import Question, score
from safegrid.models.checkpoints import hash_weights
from safegrid.train.reference import compute_kto_reference
from safegrid.train.rows import unpair
from safegrid.train.run import train
from safegrid.train.tokenize import tokenize_pairs

WORDS = ["lamp", "bread", "river", "window", "stone", "garden", "silver", "cloud"]
LORA = {"r": 4, "lora_alpha": 8}
# No row holds it, so no mask can confuse it with a token of a text.
OTHER_PAD = "<|endoftext|>"

full_and_lora = pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])


@pytest.fixture(scope="session")
def model(
    families: Any,
    save_model: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    return save_model(families["smollm2"], tmp_path_factory.mktemp("smollm2") / "model")


@pytest.fixture(scope="session")
def other_pad(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, which fills batches up with another token."""
    folder = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(model, folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    id_ = tokenizer["model"]["vocab"][OTHER_PAD]
    for name, change in (
        ("tokenizer_config.json", {"pad_token": OTHER_PAD}),
        ("config.json", {"pad_token_id": id_}),
    ):
        write_json(folder / name, {**read_json(folder / name), **change})
    return folder


def pairs_of(model: Path, folder: Path) -> Path:
    rows = [
        {
            "pair_id": f"p{number}",
            "prompt": f"May I take the {word}" + " and more" * (number % 3) + "?",
            "chosen": f"No, the {word} stays" + " here" * (number % 4),
            "rejected": f"Yes: take {word}" + " now" * (number % 5),
            "category": None,
            "source": "made-up",
            "source_row": number,
        }
        for number, word in enumerate(WORDS)
    ]
    folder.mkdir(exist_ok=True)
    dataset, out = folder / "dataset.parquet", folder / "pairs.parquet"
    frame = pl.DataFrame(rows, schema=PREFERENCE)
    write_table(dataset, frame, PREFERENCE, manifest("prepare", {}, {}))
    tokenize_pairs(dataset, model, 250, out)
    return out


def recipe(method: str, lora: Any, micro_batch: int = 4) -> Recipe:
    training = {
        "learning_rate": 1e-3,
        "beta": 0.1 if method in ("dpo", "kto", "orpo") else None,
        "max_steps": 2,
        "batch": 4,
        "per_device_train_batch_size": micro_batch,
        "warmup_ratio": 0.0,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 1e9,
        "logging_steps": 1,
        "lora": lora,
    }
    return Recipe.model_validate(
        {"name": method, "method": method, "dataset": "d", "training": training}
    )


def trained(model: Path, asked: Recipe, folder: Path) -> Path:
    pairs, out = pairs_of(model, folder), folder / "model"
    train(pairs, [model], None, None, asked, 0, 0, [out], folder / "checkpoints")
    return out


def curve(model: Path, metric: str) -> list[float]:
    rows = read_table(model / "history.parquet", HISTORY)
    return rows.filter(pl.col("metric") == metric)["value"].to_list()


@full_and_lora
@pytest.mark.parametrize("method", ["dpo", "kto", "sft", "orpo", "reward"])
def test_what_fills_batches_up_changes_no_loss_and_no_weight(
    method: str, lora: Any, model: Path, other_pad: Path, tmp_path: Path
) -> None:
    asked = recipe(method, lora)
    own = trained(model, asked, tmp_path / "own")
    other = trained(other_pad, asked, tmp_path / "other")
    assert len(set(curve(own, "loss"))) == 2
    assert curve(own, "loss") == curve(other, "loss")
    assert hash_weights(own) == hash_weights(other)


@full_and_lora
@pytest.mark.parametrize("method", ["dpo", "sft", "orpo"])
def test_one_row_a_forward_gives_the_losses_of_many(
    method: str, lora: Any, model: Path, tmp_path: Path
) -> None:
    many = trained(model, recipe(method, lora), tmp_path / "many")
    single = trained(model, recipe(method, lora, micro_batch=1), tmp_path / "single")
    assert curve(many, "loss") == pytest.approx(curve(single, "loss"), rel=1e-4)
    norms = curve(many, "grad_norm"), curve(single, "grad_norm")
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_mismatched_values_are_those_of_each_row_without_padding(
    model: Path, tmp_path: Path
) -> None:
    """KTO's loss depends on its micro-batch, so each row's value is compared."""
    pairs, out = pairs_of(model, tmp_path), tmp_path / "kl.parquet"
    compute_kto_reference(pairs, [model], recipe("kto", None), 0, out)
    found = read_table(out, KTO_REFERENCE)["kl"].to_list()
    questions = [
        Question(
            row["prompt_ids"] + row["KL_completion_ids"], len(row["prompt_ids"]), False
        )
        for row in unpair(read_table(pairs, PAIRS), 4, 0).iter_rows(named=True)
    ]
    engine = load(
        LaunchSpec(
            kind="safegrid",
            model="m",
            stack=[str(model)],
            head="causal",
            dtype="float32",
            batch_size=1,
            max_batch_tokens=4096,
            idle_seconds=60,
            start_seconds=60,
            key="k",
            owner=None,
            threads=1,
        )
    )
    alone = score(engine, questions, 1, lambda: None)
    assert found == pytest.approx([sum(s.logprobs) for s in alone], abs=2e-3)

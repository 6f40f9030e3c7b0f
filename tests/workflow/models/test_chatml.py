"""Trainings of a model whose BOS opens every turn and whose padding ends every turn."""

import shutil

import polars as pl
import pytest

from engines import launch_spec
from safegrid.config.training import Recipe
from safegrid.core.artifacts import read_table, write_json
from safegrid.core.files import read_json
from safegrid.core.records import HISTORY, KTO_REFERENCE, PAIRS
from safegrid.engine.model import load
from safegrid.engine.scoring import Question, score
from safegrid.models.checkpoints import hash_weights
from safegrid.train.reference import compute_kto_reference
from safegrid.train.rows import unpair

from .conftest import save_model, trained, write_pairs

LORA = {"r": 4, "lora_alpha": 8}
# A batch of one micro-batch, and nothing that would hide a difference.
STEPS = {"learning_rate": 1e-3, "max_steps": 2, "batch": 4, "max_grad_norm": 1e9}
STEPS["lr_scheduler_type"] = "constant"
# No row holds it, so no mask can confuse it with a token of a text.
OTHER_PAD = "<|endoftext|>"

full_and_lora = pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])


@pytest.fixture(scope="session")
def model(families, tmp_path_factory):
    return save_model(families["smollm2"], tmp_path_factory.mktemp("smollm2") / "model")


@pytest.fixture(scope="session")
def other_pad(model, tmp_path_factory):
    """The same model, which fills batches up with another token."""
    folder = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(model, folder)
    tokenizer = read_json(folder / "tokenizer.json")
    id_ = tokenizer["model"]["vocab"][OTHER_PAD]
    for name, change in (
        ("tokenizer_config.json", {"pad_token": OTHER_PAD}),
        ("config.json", {"pad_token_id": id_}),
    ):
        write_json(folder / name, {**read_json(folder / name), **change})
    return folder


@pytest.fixture
def run(tmp_path):
    """Return a training of a model: name, model, method and settings."""

    def run(name, model, method, **settings):
        pairs = write_pairs(model, tmp_path / name)
        return trained(model, pairs, tmp_path / name, method, **STEPS, **settings)

    return run


def curve(model, metric):
    rows = read_table(model / "history.parquet", HISTORY)
    return rows.filter(pl.col("metric") == metric)["value"].to_list()


@full_and_lora
@pytest.mark.parametrize("method", ["dpo", "kto", "sft", "orpo", "reward"])
def test_what_fills_batches_up_changes_no_loss_and_no_weight(
    method, lora, model, other_pad, run
):
    own = run("own", model, method, lora=lora)
    other = run("other", other_pad, method, lora=lora)
    assert len(set(curve(own, "loss"))) == 2
    assert curve(own, "loss") == curve(other, "loss")
    assert hash_weights(own) == hash_weights(other)


@full_and_lora
@pytest.mark.parametrize("method", ["dpo", "sft", "orpo"])
def test_one_row_a_forward_gives_the_losses_of_many(method, lora, model, run):
    many, single = (
        run(f"rows{n}", model, method, lora=lora, per_device_train_batch_size=n)
        for n in (4, 1)
    )
    assert curve(many, "loss") == pytest.approx(curve(single, "loss"), rel=1e-4)
    norms = curve(many, "grad_norm"), curve(single, "grad_norm")
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_mismatched_values_are_those_of_each_row_without_padding(model, tmp_path):
    """KTO's loss depends on its micro-batch, so each row's value is compared."""
    pairs, out = write_pairs(model, tmp_path), tmp_path / "kl.parquet"
    training = {**STEPS, "beta": 0.1, "per_device_train_batch_size": 4}
    recipe = {"name": "kto", "method": "kto", "dataset": "d", "training": training}
    compute_kto_reference(pairs, [model], Recipe.model_validate(recipe), 0, out)
    found = read_table(out, KTO_REFERENCE)["kl"].to_list()
    questions = [
        Question(
            row["prompt_ids"] + row["KL_completion_ids"], len(row["prompt_ids"]), False
        )
        for row in unpair(read_table(pairs, PAIRS), 4, 0).iter_rows(named=True)
    ]
    engine = load(launch_spec(model, batch_size=1))
    alone = score(engine, questions, 1)
    assert found == pytest.approx([sum(s.logprobs) for s in alone], abs=2e-3)

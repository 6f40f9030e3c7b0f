"""Whole trainings on a base of a few thousand weights."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.core.artifacts import (
    manifest,
    read_manifest,
    read_table,
    sha256_file,
    write_table,
)
from safegrid.core.errors import ConfigError, TrainingError
from safegrid.core.records import HISTORY, KTO_REFERENCE, PAIRS, REFERENCE
from safegrid.models.checkpoints import hash_weights, load_model, weights_hash
from safegrid.models.templates import ChatTokenizer
from safegrid.train.reference import compute_kto_reference, compute_reference
from safegrid.train.run import train

pytestmark = pytest.mark.slow

RecipeMaker = Callable[..., Recipe]
Runner = Callable[..., Path]
LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0}


@pytest.fixture
def run(base: Path, pairs: Path, reference: Path, tmp_path: Path) -> Runner:
    """Train in a folder of its own with the shared reference values."""

    def start(recipe: Recipe, name: str = "model", **changes: Any) -> Path:
        wants = METHODS[recipe.method].reference
        arguments = {
            "pairs": pairs,
            "stack": [base],
            "reference": reference if wants else None,
            "kto_reference": None,
            "seed": 0,
            "data_seed": 0,
            "checkpoints": tmp_path / "checkpoints",
        }
        out = tmp_path / name
        train(recipe=recipe, out=[out], **{**arguments, **changes})
        return out

    return start


def weights(stack: list[Path]) -> dict[str, Any]:
    return {name: t.double() for name, t in load_model(stack).state_dict().items()}


def largest_difference(first: list[Path], second: list[Path]) -> float:
    left, right = weights(first), weights(second)
    assert set(left) == set(right)
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def curve(folder: Path, metric: str) -> list[float]:
    rows = read_table(folder / "history.parquet", HISTORY)
    return rows.filter(pl.col("metric") == metric)["value"].to_list()


def test_reference_values_are_the_log_probabilities_of_every_answer(
    base: Path, pairs: Path, reference: Path
) -> None:
    import torch

    model = load_model([base]).double()
    frame, values = read_table(pairs, PAIRS), read_table(reference, REFERENCE)
    assert values["pair_id"].to_list() == frame["pair_id"].to_list()
    joined = frame.join(values, on="pair_id")[::9]
    for row in joined.iter_rows(named=True):
        for side in ("chosen", "rejected"):
            ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
            with torch.no_grad():
                logps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
            own = logps.gather(1, ids[0, 1:, None])[len(row["prompt_ids"]) - 1 :]
            assert row[side] == pytest.approx(float(own.sum()), rel=1e-5)


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].answers])
def test_every_method_trains_and_tells_what_it_did(
    method: str, run: Runner, make_recipe: RecipeMaker, base: Path
) -> None:
    out = run(make_recipe(method))
    assert largest_difference([base], [out]) > 1e-4
    facts = read_manifest(out)
    assert facts["weights"] == hash_weights(out) == weights_hash([out])
    assert facts["steps"] == 4
    assert facts["rows"] == 64
    assert facts["resumed"] is False
    assert facts["checks"]["truncated_share"] == 0
    assert facts["checks"]["one_bos"]
    if METHODS[method].reference:
        assert 0 <= facts["checks"]["largest_log_ratio"] < 1e-4
        assert len(curve(out, "chosen_log_ratio")) == 4
        assert abs(curve(out, "margin")[0]) < 1e-4
    assert len(curve(out, "loss")) == len(curve(out, "grad_norm")) == 4
    assert curve(out, "learning_rate")[-1] < 1e-3
    for name in ("tokenizer.json", "chat_template.jinja", "tokenizer_config.json"):
        assert sha256_file(out / name) == sha256_file(base / name)
    assert sorted(path.name for path in out.glob("*.md")) == []


@pytest.mark.parametrize(
    ("method", "changes"), [("dpo", {}), ("dpo", {"lora": LORA}), ("ipo", {})]
)
def test_shared_reference_values_give_the_losses_of_own_ones(
    method: str,
    changes: dict[str, Any],
    run: Runner,
    make_recipe: RecipeMaker,
) -> None:
    recipe = make_recipe(method, **changes)
    shared, own = run(recipe, "shared"), run(recipe, "own", reference=None)
    assert curve(shared, "loss") == pytest.approx(
        curve(own, "loss"), rel=1e-4, abs=1e-6
    )
    assert curve(shared, "margin")[-1] != 0


def test_kto_with_shared_values_gives_the_losses_of_own_ones(
    run: Runner,
    make_recipe: RecipeMaker,
    base: Path,
    pairs: Path,
    tmp_path: Path,
) -> None:
    recipe = make_recipe("kto", per_device_train_batch_size=4, fraction=0.5)
    shared_kl = tmp_path / "kl.parquet"
    compute_kto_reference(pairs, [base], recipe, 0, shared_kl)
    assert read_table(shared_kl, KTO_REFERENCE).height == 64
    shared = run(recipe, "shared", kto_reference=shared_kl)
    own = run(recipe, "own", reference=None)
    assert curve(shared, "loss") == pytest.approx(curve(own, "loss"), rel=1e-4)
    assert read_manifest(shared)["checks"]["largest_log_ratio"] < 1e-4
    off = tmp_path / "off.parquet"
    values = read_table(shared_kl, KTO_REFERENCE).with_columns(pl.col("kl") + 0.01)
    facts = manifest("reference", {}, read_manifest(shared_kl)["params"])
    write_table(off, values, KTO_REFERENCE, facts)
    with pytest.raises(TrainingError, match=r"differs from its reference by 0\.01"):
        run(recipe, "off", kto_reference=off)
    with pytest.raises(TrainingError, match=r"made with micro_batch 4, but .* has 8"):
        run(make_recipe("kto", fraction=0.5), "other", kto_reference=shared_kl)
    with pytest.raises(TrainingError, match="made with data_seed 0"):
        run(recipe, "other", kto_reference=shared_kl, data_seed=1)


def test_a_model_says_what_it_was_made_of(
    run: Runner, make_recipe: RecipeMaker, base: Path, pairs: Path
) -> None:
    recipe = make_recipe("nca")
    facts = read_manifest(run(recipe, seed=3, data_seed=5))
    assert facts["base"] == {"weights": hash_weights(base), "revision": None}
    assert facts["template"] == ChatTokenizer.load(base).template_hash
    assert facts["inputs"]["pairs"] == sha256_file(pairs)
    assert facts["params"]["recipe"] == recipe.model_dump(mode="json")
    assert (facts["params"]["seed"], facts["params"]["data_seed"]) == (3, 5)
    assert {"torch", "transformers", "trl", "peft"} <= set(facts["libraries"])
    assert facts["tokens"] > 0
    assert facts["run"]["seconds"] > 0
    assert set(facts["run"]) == {"git", "device", "processes", "seconds"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_order(
    run: Runner, make_recipe: RecipeMaker
) -> None:
    recipe = make_recipe("nca", lora={**LORA, "lora_dropout": 0.3})
    first, again, other = run(recipe, "a"), run(recipe, "b"), run(recipe, "c", seed=1)
    names = sorted(path.name for path in first.iterdir())
    names.remove("manifest.json")
    assert [sha256_file(first / n) for n in names] == [
        sha256_file(again / n) for n in names
    ]
    facts, repeated = read_manifest(first), read_manifest(again)
    assert set(facts.pop("run")) == set(repeated.pop("run"))
    assert facts == repeated
    assert hash_weights(first) != hash_weights(other)
    full = make_recipe("nca")
    losses = curve(run(full, "d"), "loss"), curve(run(full, "e", seed=1), "loss")
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    "method", [name for name in METHODS if not METHODS[name].across]
)
def test_eight_forwards_of_one_pair_are_one_forward_of_eight(
    method: str, run: Runner, make_recipe: RecipeMaker
) -> None:
    # Plain steps in proportion to the gradient: Adam's first step is its sign only.
    settings = {
        "max_steps": 2,
        "max_grad_norm": 1e9,
        "lr_scheduler_type": "constant",
        "warmup_ratio": 0.0,
    }
    whole = run(make_recipe(method, **settings), "whole")
    pieces = run(
        make_recipe(method, per_device_train_batch_size=1, **settings), "pieces"
    )
    assert read_manifest(pieces)["accumulate"] == 8
    assert curve(whole, "loss") == pytest.approx(curve(pieces, "loss"), rel=1e-4)
    assert curve(whole, "grad_norm") == pytest.approx(
        curve(pieces, "grad_norm"), rel=1e-3
    )


def test_an_adapter_may_start_from_an_adapter(
    run: Runner,
    make_recipe: RecipeMaker,
    base: Path,
    pairs: Path,
    tmp_path: Path,
) -> None:
    first = run(make_recipe("sft", lora=LORA), "first")
    assert (first / "adapter_config.json").is_file()
    assert not list(first.glob("model*"))
    stack = [base, first]
    shared = tmp_path / "merged.parquet"
    compute_reference(pairs, stack, "float32", 8, shared)
    recipe = make_recipe("dpo", lora=LORA)
    second = run(recipe, "second", stack=stack, reference=shared)
    facts = read_manifest(second)
    assert facts["stack"] == [weights_hash([base]), weights_hash([first])]
    assert facts["checks"]["largest_log_ratio"] < 1e-4
    assert curve(second, "loss")[0] == pytest.approx(0.6931, abs=1e-3)
    assert largest_difference(stack, [*stack, second]) > 1e-5
    with pytest.raises(TrainingError, match="made with start"):
        run(recipe, "third", stack=stack)


def test_instructions_train_as_the_chosen_answers_of_pairs_do(
    run: Runner, make_recipe: RecipeMaker, pairs: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.parquet"
    none = pl.lit(None, PAIRS["rejected_ids"])
    rows = read_table(pairs, PAIRS).with_columns(rejected_ids=none)
    write_table(alone, rows, PAIRS, read_manifest(pairs))
    first = run(make_recipe("sft"), "pairs")
    second = run(make_recipe("sft"), "alone", pairs=alone)
    assert hash_weights(first) == hash_weights(second)


def test_a_reference_of_other_values_is_refused_before_the_first_step(
    run: Runner,
    make_recipe: RecipeMaker,
    reference: Path,
    tmp_path: Path,
) -> None:
    values = read_table(reference, REFERENCE).with_columns(pl.col("chosen") + 0.01)
    off, short = tmp_path / "off.parquet", tmp_path / "short.parquet"
    facts = manifest("reference", {}, read_manifest(reference)["params"])
    write_table(off, values, REFERENCE, facts)
    write_table(short, values[1:], REFERENCE, facts)
    with pytest.raises(TrainingError, match=r"differs from its reference by 0\.01"):
        run(make_recipe("dpo"), reference=off)
    with pytest.raises(TrainingError, match="no value for 1 pairs, the first is p000"):
        run(make_recipe("dpo"), reference=short)
    assert not (tmp_path / "model").exists()


def test_pairs_of_another_tokenizer_are_refused(
    run: Runner, make_recipe: RecipeMaker, base: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(base, other)
    template = (other / "chat_template.jinja").read_text()
    (other / "chat_template.jinja").write_text(
        template.replace("<|assistant|>", "<|user|>")
    )
    with pytest.raises(TrainingError, match="another tokenizer or chat template"):
        run(make_recipe("sft"), stack=[other])


@pytest.mark.parametrize(
    ("column", "ids", "words"),
    [
        ("chosen_ids", [9, 9], "chosen_ids must end their turn once"),
        ("rejected_ids", [2, 9, 2], "rejected_ids must end their turn once"),
        ("prompt_ids", [1, 1, 9], "must open with BOS and hold 1, as the template"),
        ("prompt_ids", [1, 9, 1], "must open with BOS and hold 1, as the template"),
        ("prompt_ids", [9, 9], "must open with BOS and hold 1, as the template"),
    ],
)
def test_pairs_that_break_the_token_contract_are_refused(
    column: str,
    ids: list[int],
    words: str,
    run: Runner,
    make_recipe: RecipeMaker,
    pairs: Path,
    tmp_path: Path,
) -> None:
    frame = read_table(pairs, PAIRS)
    values = frame[column].to_list()
    values[5] = ids
    broken = tmp_path / "broken.parquet"
    facts = read_manifest(pairs)
    write_table(broken, frame.with_columns(pl.Series(column, values)), PAIRS, facts)
    with pytest.raises(TrainingError, match=f"{words}.*the first is p005"):
        run(make_recipe("sft"), pairs=broken)


@pytest.mark.parametrize("method", ["dpo", "kto", "orpo", "sft"])
def test_a_loss_that_is_no_number_ends_the_training_and_writes_nothing(
    method: str, run: Runner, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe(method, learning_rate=1e9, warmup_ratio=0.0, logging_steps=4)
    with pytest.raises(TrainingError, match=r"step 2 is nan.*pairs p0\d\d, p0\d\d"):
        run(recipe)
    assert not (tmp_path / "model").exists()


def test_weights_that_broke_in_the_last_step_are_not_written(
    run: Runner, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("dpo", max_steps=1, warmup_ratio=0.0)
    # No configuration may ask for this.
    broken = {"learning_rate": 1e38, "weight_decay": 1e38}
    training = recipe.training.model_copy(update=broken)
    recipe = recipe.model_copy(update={"training": training})
    with pytest.raises(TrainingError, match="is not finite"):
        run(recipe)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("dpo", {}),
        ("kto", {"per_device_train_batch_size": 4}),
        ("orpo", {"lora": {**LORA, "lora_dropout": 0.2}}),
        ("reward", {"lora": {**LORA, "lora_dropout": 0.2}}),
    ],
)
def test_a_broken_training_ends_with_the_weights_and_curve_of_an_unbroken_one(
    method: str,
    changes: dict[str, Any],
    run: Runner,
    make_recipe: RecipeMaker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from safegrid.train.save import Watch

    recipe = make_recipe(method, max_steps=9, save_steps=3, logging_steps=2, **changes)
    unbroken = run(recipe, "unbroken")

    def fail(self: Watch, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Watch, "on_step_begin", fail)
        with pytest.raises(KeyboardInterrupt):
            run(recipe, "broken")
    broken = run(recipe, "broken")
    assert read_manifest(broken)["resumed"] is True
    assert hash_weights(broken) == hash_weights(unbroken)
    first, second = (
        read_table(folder / "history.parquet", HISTORY) for folder in (unbroken, broken)
    )
    assert first.equals(second)


def test_bfloat16_with_checkpointed_activations_trains(
    run: Runner,
    make_recipe: RecipeMaker,
    base: Path,
    pairs: Path,
    tmp_path: Path,
) -> None:
    shared = tmp_path / "bf16.parquet"
    compute_reference(pairs, [base], "bfloat16", 8, shared)
    recipe = make_recipe("dpo", precision="bfloat16", gradient_checkpointing=True)
    out = run(recipe, reference=shared)
    assert curve(out, "loss")[0] == pytest.approx(0.6931, abs=0.02)
    assert {str(t.dtype) for t in _stored(out).values()} == {"torch.bfloat16"}
    with pytest.raises(TrainingError, match="made with precision 'float32'"):
        run(recipe, "other")


def test_checkpointed_activations_change_no_weight(
    run: Runner, make_recipe: RecipeMaker
) -> None:
    plain = run(make_recipe("dpo"), "plain")
    saving = run(make_recipe("dpo", gradient_checkpointing=True), "saving")
    assert largest_difference([plain], [saving]) < 1e-6


def test_settings_that_make_a_method_another_are_refused_at_once(
    run: Runner, make_recipe: RecipeMaker
) -> None:
    with pytest.raises(ConfigError, match="with one pair it is DPO"):
        run(make_recipe("aot", per_device_train_batch_size=1))


def test_a_training_of_nothing_but_warm_up_is_refused(
    run: Runner, make_recipe: RecipeMaker
) -> None:
    with pytest.raises(ConfigError, match="its 1 steps are all warm-up"):
        run(make_recipe("dpo", max_steps=1, warmup_ratio=0.1))


def _stored(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")

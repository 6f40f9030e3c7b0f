"""Whole trainings on a base of a few thousand weights."""

import polars as pl
import pytest

from made_up_training import LORA, curve, make_recipe, stored
from safegrid.config.methods import METHODS
from safegrid.core.artifacts import (
    manifest,
    read_manifest,
    read_table,
    sha256_file,
    write_table,
)
from safegrid.core.errors import ConfigError, TrainingError
from safegrid.core.records import KTO_REFERENCE, PAIRS, REFERENCE
from safegrid.models.checkpoints import hash_weights, load_model, weights_hash
from safegrid.models.templates import ChatTokenizer
from safegrid.train.reference import compute_kto_reference, compute_reference

pytestmark = pytest.mark.slow


def largest_difference(first, second):
    left, right = (load_model(stack).state_dict() for stack in (first, second))
    assert set(left) == set(right)
    return max(float((left[n].double() - right[n]).abs().max()) for n in left)


def shifted(path, column, out, schema):
    """Write reference values of which one column is off by a hundredth."""
    values = read_table(path, schema).with_columns(pl.col(column) + 0.01)
    params = read_manifest(path)["params"]
    write_table(out, values, schema, manifest("reference", {}, params))
    return out


def test_reference_values_are_the_log_probabilities_of_every_answer(
    base, pairs, reference
):
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
def test_every_method_trains_and_tells_what_it_did(method, run, base):
    out = run(make_recipe(method))
    assert largest_difference([base], [out]) > 1e-4
    facts = read_manifest(out)
    assert facts["weights"] == hash_weights(out) == weights_hash([out])
    assert (facts["steps"], facts["rows"], facts["resumed"]) == (4, 64, False)
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
def test_shared_reference_values_give_the_losses_of_own_ones(method, changes, run):
    recipe = make_recipe(method, **changes)
    shared, own = run(recipe, "shared"), run(recipe, "own", reference=None)
    assert curve(shared, "loss") == pytest.approx(
        curve(own, "loss"), rel=1e-4, abs=1e-6
    )
    assert curve(shared, "margin")[-1] != 0


def test_kto_with_shared_values_gives_the_losses_of_own_ones(
    run, base, pairs, tmp_path
):
    recipe = make_recipe("kto", per_device_train_batch_size=4, fraction=0.5)
    shared_kl = tmp_path / "kl.parquet"
    compute_kto_reference(pairs, [base], recipe, 0, shared_kl)
    assert read_table(shared_kl, KTO_REFERENCE).height == 64
    shared = run(recipe, "shared", kto_reference=shared_kl)
    own = run(recipe, "own", reference=None)
    assert curve(shared, "loss") == pytest.approx(curve(own, "loss"), rel=1e-4)
    assert read_manifest(shared)["checks"]["largest_log_ratio"] < 1e-4
    off = shifted(shared_kl, "kl", tmp_path / "off.parquet", KTO_REFERENCE)
    whole = make_recipe("kto", fraction=0.5)
    for kl, other, changes, told in (
        (off, recipe, {}, r"differs from its reference by 0\.01"),
        (shared_kl, whole, {}, r"made with micro_batch 4, but .* has 8"),
        (shared_kl, recipe, {"data_seed": 1}, "made with data_seed 0"),
    ):
        with pytest.raises(TrainingError, match=told):
            run(other, "other", kto_reference=kl, **changes)


def test_a_model_says_what_it_was_made_of(run, base, pairs):
    recipe = make_recipe("nca")
    facts = read_manifest(run(recipe, seed=3, data_seed=5))
    assert facts["base"] == {"weights": hash_weights(base), "revision": None}
    assert facts["template"] == ChatTokenizer.load(base).template_hash
    assert facts["inputs"]["pairs"] == sha256_file(pairs)
    assert facts["params"]["recipe"] == recipe.model_dump(mode="json")
    assert (facts["params"]["seed"], facts["params"]["data_seed"]) == (3, 5)
    assert {"torch", "transformers", "trl", "peft"} <= set(facts["libraries"])
    assert facts["tokens"] > 0
    assert set(facts["run"]) == {"git", "device", "processes", "seconds"}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_order(run):
    recipe = make_recipe("nca", lora={**LORA, "lora_dropout": 0.3})
    first, again, other = run(recipe, "a"), run(recipe, "b"), run(recipe, "c", seed=1)
    for path in first.iterdir():
        if path.name != "manifest.json":
            assert sha256_file(path) == sha256_file(again / path.name), path.name
    facts, repeated = read_manifest(first), read_manifest(again)
    assert set(facts.pop("run")) == set(repeated.pop("run"))
    assert facts == repeated
    assert hash_weights(first) != hash_weights(other)
    full = make_recipe("nca")
    assert curve(run(full, "d"), "loss") != curve(run(full, "e", seed=1), "loss")


@pytest.mark.parametrize(
    "method", [name for name in METHODS if not METHODS[name].across]
)
def test_eight_forwards_of_one_pair_are_one_forward_of_eight(method, run):
    # Plain steps in proportion to the gradient: Adam's first step is its sign only.
    settings = {"max_steps": 2, "max_grad_norm": 1e9, "warmup_ratio": 0.0}
    settings |= {"lr_scheduler_type": "constant"}
    whole, pieces = (
        run(
            make_recipe(method, per_device_train_batch_size=size, **settings), str(size)
        )
        for size in (8, 1)
    )
    assert read_manifest(pieces)["accumulate"] == 8
    for metric, close in (("loss", 1e-4), ("grad_norm", 1e-3)):
        assert curve(whole, metric) == pytest.approx(curve(pieces, metric), rel=close)


def test_an_adapter_may_start_from_an_adapter(run, base, pairs, tmp_path):
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


def test_instructions_train_as_the_chosen_answers_of_pairs_do(run, pairs, tmp_path):
    alone = tmp_path / "alone.parquet"
    none = pl.lit(None, PAIRS["rejected_ids"])
    rows = read_table(pairs, PAIRS).with_columns(rejected_ids=none)
    write_table(alone, rows, PAIRS, read_manifest(pairs))
    first, second = run(make_recipe("sft")), run(make_recipe("sft"), "b", pairs=alone)
    assert hash_weights(first) == hash_weights(second)


def test_a_reference_of_other_values_is_refused_before_the_first_step(
    run, reference, tmp_path
):
    off = shifted(reference, "chosen", tmp_path / "off.parquet", REFERENCE)
    short = tmp_path / "short.parquet"
    facts = manifest("reference", {}, read_manifest(reference)["params"])
    write_table(short, read_table(reference, REFERENCE)[1:], REFERENCE, facts)
    with pytest.raises(TrainingError, match=r"differs from its reference by 0\.01"):
        run(make_recipe("dpo"), reference=off)
    with pytest.raises(TrainingError, match="no value for 1 pairs, the first is p000"):
        run(make_recipe("dpo"), reference=short)
    assert not any(tmp_path.rglob("manifest.json"))


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
    column, ids, words, run, pairs, tmp_path
):
    frame = read_table(pairs, PAIRS)
    values = frame[column].to_list()
    values[5] = ids
    broken = tmp_path / "broken.parquet"
    frame = frame.with_columns(pl.Series(column, values))
    write_table(broken, frame, PAIRS, read_manifest(pairs))
    with pytest.raises(TrainingError, match=f"{words}.*the first is p005"):
        run(make_recipe("sft"), pairs=broken)


@pytest.mark.parametrize("method", ["dpo", "kto", "orpo", "sft"])
def test_a_loss_that_is_no_number_ends_the_training_and_writes_nothing(
    method, run, tmp_path
):
    recipe = make_recipe(method, learning_rate=1e9, warmup_ratio=0.0, logging_steps=4)
    with pytest.raises(TrainingError, match=r"step 2 is nan.*pairs p0\d\d, p0\d\d"):
        run(recipe)
    assert not any(tmp_path.rglob("manifest.json"))


def test_weights_that_broke_in_the_last_step_are_not_written(run, tmp_path):
    recipe = make_recipe("dpo", max_steps=1, warmup_ratio=0.0)
    # No configuration may ask for this.
    broken = {"learning_rate": 1e38, "weight_decay": 1e38}
    training = recipe.training.model_copy(update=broken)
    with pytest.raises(TrainingError, match="is not finite"):
        run(recipe.model_copy(update={"training": training}))
    assert not any(tmp_path.rglob("manifest.json"))


def test_bfloat16_with_checkpointed_activations_trains(run, base, pairs, tmp_path):
    shared = tmp_path / "bf16.parquet"
    compute_reference(pairs, [base], "bfloat16", 8, shared)
    recipe = make_recipe("dpo", precision="bfloat16", gradient_checkpointing=True)
    out = run(recipe, reference=shared)
    assert curve(out, "loss")[0] == pytest.approx(0.6931, abs=0.02)
    assert {str(t.dtype) for t in stored(out).values()} == {"torch.bfloat16"}
    with pytest.raises(TrainingError, match="made with precision 'float32'"):
        run(recipe, "other")


def test_checkpointed_activations_change_no_weight(run):
    plain, saving = (
        run(make_recipe("dpo", gradient_checkpointing=on), str(on))
        for on in (False, True)
    )
    assert largest_difference([plain], [saving]) < 1e-6


def test_a_training_that_is_all_warm_up_is_refused(run):
    with pytest.raises(ConfigError, match="its 1 steps are all warm-up"):
        run(make_recipe(max_steps=1, warmup_ratio=0.1))

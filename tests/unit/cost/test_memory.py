"""Memory by the arithmetic of hand: Falcon 11B on an H200."""

import pytest

from safegrid.config.engine import EngineSpec
from safegrid.config.judge import JudgeSpec
from safegrid.config.training import Lora, Training
from safegrid.cost import memory
from safegrid.cost.memory import (
    engine_memory,
    judge_use,
    reference_memory,
    trained_parameters,
    training_memory,
    usable,
)

GB = 1e9


def settings(**changed):
    full = {
        "learning_rate": 1e-5,
        "num_train_epochs": 1,
        "batch": 32,
        "per_device_train_batch_size": 8,
    }
    return Training.model_validate(full | changed)


def test_adamw_in_float32_is_178_gb_and_does_not_fit(falcon, h200):
    held = training_memory(falcon, settings(gradient_checkpointing=True), "dpo", 512)
    states = held.weights + held.gradients + held.optimizer
    assert states == pytest.approx(178 * GB, rel=0.003)
    assert states > usable(h200)


def test_an_adapter_trains_beside_float32_weights(falcon):
    lora = Lora(r=16, lora_alpha=16)
    given = settings(lora=lora, precision="bfloat16", gradient_checkpointing=True)
    held = training_memory(falcon, given, "dpo", 1024)
    trained = trained_parameters(falcon, given)
    assert held.weights == 4.0 * (falcon.parameters + trained)
    assert held.gradients + held.optimizer == 12.0 * trained
    # One layer's copies in bfloat16, not those of the whole model.
    assert held.copies < 0.05 * 2 * falcon.parameters


def test_recomputation_keeps_one_number_a_layer(falcon):
    given = settings(gradient_checkpointing=True)
    one, two = (
        training_memory(falcon, each, "dpo", 1024).activations
        for each in (settings(), given)
    )
    stream = 2 * 8 * 1024 * 4 * falcon.width * falcon.layers
    assert stream < two < stream + one / falcon.layers * 1.001 < one


def test_logits_are_a_tile_for_every_loss_of_answers(falcon):
    given = settings(gradient_checkpointing=True, lora=Lora(r=8, lora_alpha=8))
    orpo, pairs = (
        training_memory(falcon, given, method, 1024).logits
        for method in ("orpo", "dpo")
    )
    assert orpo == pairs < 65_024 * 2 * 8 * 1024


def test_processes_share_a_model_only_where_they_are_told_to(falcon):
    alone = training_memory(falcon, settings(), "dpo", 512)
    copies = training_memory(falcon, settings(processes=4), "dpo", 512)
    shared = training_memory(
        falcon, settings(processes=4, accelerate="fsdp"), "dpo", 512
    )
    assert copies.optimizer == alone.optimizer
    assert copies.gradients == 2 * alone.gradients, "buckets to send them in"
    assert shared.optimizer == alone.optimizer / 4


def test_a_reference_holds_its_weights_and_no_optimizer(falcon):
    plain = reference_memory(falcon, settings(), 1024)
    assert (plain.weights, plain.copies) == (4.0 * falcon.parameters, 0)
    assert plain.gradients == plain.optimizer == 0
    held = reference_memory(falcon, settings(precision="bfloat16"), 1024)
    tables = 2 * 65_024 * 4096
    assert held.weights == pytest.approx(2 * falcon.parameters + 2 * tables, rel=1e-4)
    assert held.copies == pytest.approx(2 * tables, rel=1e-3)
    # The experts of a mixture stay in float32, with their copies.
    mixture = falcon.model_copy(update={"experts": 8, "experts_used": 2})
    held = reference_memory(mixture, settings(precision="bfloat16"), 1024)
    assert held.weights > 3.9 * mixture.parameters


def test_an_engine_holds_the_cache_of_a_chunk(falcon, h200):
    engine = EngineSpec(dtype="bfloat16", batch_size=128, max_batch_tokens=16_384)
    held = engine_memory(falcon, engine, h200, "write")
    assert held.weights == pytest.approx(22.2 * GB, rel=0.002)
    assert held.cache == 245_760 * (16_384 + 64 * 128)
    assert engine_memory(falcon, engine, h200, "score").cache == 0
    from safegrid.engine import scoring

    assert memory.SLICE == scoring.SLICE, "logits that are widened at a time"


def test_a_classifier_and_a_reward_model_have_no_logits_of_a_vocabulary(falcon, h200):
    spec = JudgeSpec(name="r", kind="reward", text="{response}")
    held = engine_memory(falcon, EngineSpec(), h200, judge_use(spec))
    assert (held.logits, held.cache) == (0, 0)
    guard = JudgeSpec(name="g", kind="guard", category_tokens=4)
    assert judge_use(guard) == "write"
    assert judge_use(JudgeSpec(name="g", kind="guard")) == "score"
    # Hidden states and their gradients: nothing of the vocabulary's size.
    pairs, one = (
        training_memory(falcon, settings(), name, 1024) for name in ("dpo", "reward")
    )
    assert one.logits < pairs.logits
    assert (one.activations, one.weights) == (pairs.activations, pairs.weights)
    answers = training_memory(falcon, settings(), "sft", 1024)
    assert pairs.activations == 2 * answers.activations, "SFT has half of a pair"


def test_vllm_fills_its_share(falcon, h200):
    def held(**options):
        engine = EngineSpec(kind="vllm", dtype="bfloat16", **options)
        return engine_memory(falcon, engine, h200, "write").total

    # As many as may live at once fit.
    assert held() == pytest.approx(0.45 * 141 * GB)
    assert held(max_engines=1) == pytest.approx(0.9 * 141 * GB)
    assert held(gpu_memory_utilization=0.7) == pytest.approx(0.7 * 141 * GB)

"""The arithmetic gives the worked numbers of published and hand-made examples.

An H200 that reaches 790 TFLOP/s and 4.3 TB/s, Falcon 11B, an 8B guard.
"""

from dataclasses import replace

import pytest

from made_up_training import make_recipe
from safegrid.config import BeamDecode, Decode, EngineSpec
from safegrid.config.cost import Lengths, ShapeSpec, TaskAssumed
from safegrid.config.engine import Beams
from safegrid.cost.engines import PlannedEngine, decoding, step_seconds
from safegrid.cost.flops import Limits, forward, limits, mfu, train, training
from safegrid.cost.tokens import Pairs, Tokens

REACHED = Limits(790e12, 4.3e12)
# 73.9 thousand pairs of 300 tokens.
TOKENS = 22.2e6
ROWS, ANSWER = 45_000, 256


@pytest.mark.parametrize(
    ("lora", "again", "reference", "minutes"),
    [
        (True, False, 0, 21),
        (False, False, 0, 31),
        (False, True, 0, 42),
        # An online reference would cost two more.
        (False, True, TOKENS, 52),
    ],
)
def test_dpo_on_falcon(falcon, lora, again, reference, minutes):
    work = training(falcon, REACHED, TOKENS, TOKENS, lora, again, reference)
    assert round(work.limit / 60) == minutes


def test_padding_is_paid_and_is_of_no_use(falcon):
    whole = training(falcon, REACHED, TOKENS, TOKENS, False, False)
    padded = training(falcon, REACHED, TOKENS, 2 * TOKENS, False, False)
    assert padded.limit == 2 * whole.limit
    assert padded.model_flops == whole.model_flops


def lengths(length, rows):
    return Tokens((length,), (rows,), "", True)


PAIRS = Pairs(lengths(300, 64), lengths(300, 128), lengths(400, 64))


@pytest.mark.parametrize(
    ("method", "read"),
    [("dpo", 400), ("orpo", 400), ("aot", 400), ("sft", 300), ("reward", 600)],
)
def test_trainers_of_pairs_read_a_prompt_once(falcon, h200, method, read):
    """Prompts of 200 tokens, answers of 100."""
    recipe = make_recipe(method, max_steps=10)
    work = train(falcon, h200, PAIRS, recipe)
    assert work.flops == work.model_flops == 6 * falcon.active * 80 * read
    assert work.tokens == 80 * (300 if method == "sft" else 600)


def test_rows_of_a_step_are_sorted_but_for_losses_across_a_micro_batch(falcon, h200):
    mixed = Pairs(*(Tokens((10, 400), (500, 500), "", True) for _ in range(3)))
    sizes = {"max_steps": 10, "batch": 32, "per_device_train_batch_size": 8}
    dpo, aot = (
        train(falcon, h200, mixed, make_recipe(method, **sizes))
        for method in ("dpo", "aot")
    )
    assert dpo.model_flops == aot.model_flops
    assert 1.2 < dpo.flops / dpo.model_flops < 1.5
    assert 1.9 < aot.flops / aot.model_flops < 2


def test_what_a_chunk_begins_with_is_read_once(falcon, assumed):
    engine = PlannedEngine(falcon, REACHED, EngineSpec(batch_size=16), assumed)
    work = engine.read_alike(64, 64 * 500, shared=300)
    assert work.tokens == 64 * 500
    assert work.flops == 2 * falcon.active * (64 * 200 + 4 * 300)
    vllm = replace(engine, spec=EngineSpec(kind="vllm"))
    assert vllm.read_alike(64, 64 * 500, 300).flops == 2 * falcon.active * (
        64 * 200 + 300
    )
    assert engine.read_alike(64, 64 * 500, 0).flops == 2 * falcon.active * 64 * 500


def test_options_of_a_long_prompt_share_it(falcon, assumed):
    engine = PlannedEngine(falcon, REACHED, EngineSpec(), assumed)
    prompts = lengths(1000, 10)
    prompt = Lengths(mean=1000)
    task = TaskAssumed(rows=10, prompt=prompt, options=4, option=6, why="made up")
    work = engine.task(task, prompts)
    assert work.flops == 2 * falcon.active * 10 * (1000 + 4 * 5)
    assert work.tokens == 10 * 4 * 1005
    short = engine.task(task, lengths(20, 10))
    assert short.flops == 2 * falcon.active * short.tokens == 2 * falcon.active * 1000


def test_a_guard_reads_45_thousand_answers():
    llama = ShapeSpec(
        layers=32,
        width=4096,
        heads=32,
        kv_heads=8,
        feed_forward=14336,
        vocabulary=128_256,
    )
    assert forward(llama, REACHED, ROWS * 520).limit == pytest.approx(476, abs=1)


@pytest.mark.parametrize(
    ("batch", "moving", "computing"),
    [(1, 5.17, 0.03), (16, 5.33, 0.45), (64, 5.85, 1.80), (256, 7.91, 7.19)],
)
def test_a_step_of_decoding_in_milliseconds(falcon, batch, moving, computing):
    moved, computed = step_seconds(falcon, REACHED, batch, context=188, size=2)
    assert 1000 * moved == pytest.approx(moving, abs=0.02)
    assert 1000 * computed == pytest.approx(computing, abs=0.01)


def decoded(falcon, batch, **changed):
    answers = Tokens((ANSWER,), (ROWS,), "", False)
    settings = {"size": 2, "refill": True, "step_ms": 0.5, **changed}
    return decoding(falcon, REACHED, 60, answers, batch, **settings)


def test_beams_are_computed_and_are_of_no_use(falcon, assumed):
    asked = PlannedEngine(falcon, REACHED, EngineSpec(batch_size=16), assumed)
    prompts, answers = (Tokens((n,), (64,), "", False) for n in (60, 100))
    one = asked.write(prompts, answers, Decode(max_new_tokens=100))
    beams = BeamDecode(max_new_tokens=100, beams=Beams(groups=2))
    two = asked.write(prompts, answers, beams)
    assert two.flops == 2 * one.flops
    # Chunks of as many sequences hold half as many prompts, so there are twice as many.
    assert two.limit == pytest.approx(2 * one.limit)
    assert (two.tokens, two.model_flops) == (one.tokens, one.model_flops)


@pytest.mark.parametrize(
    ("batch", "seconds"), [(1, 16.6 * 3600), (16, 64 * 60), (64, 17.6 * 60), (512, 324)]
)
def test_small_batches_are_bound_by_bandwidth_and_large_by_computing(
    falcon, batch, seconds
):
    assert decoded(falcon, batch).limit == pytest.approx(seconds, rel=0.01)


def test_static_batches_are_bound_by_their_steps(falcon):
    """16 rows at 30 ms a step: 6 hours."""
    work = decoded(falcon, 16, refill=False)
    assert work.floor == pytest.approx(6 * 3600, rel=0.01)
    assert work.seconds(0.5) == work.floor > work.limit / 0.5


def test_a_static_batch_pays_for_its_longest_answer(falcon):
    short = Tokens((10, 250), (90, 10), "", True)
    thin = decoding(falcon, REACHED, 60, short, 100, 2, refill=False, step_ms=0.5)
    full = decoding(falcon, REACHED, 60, short, 100, 2, refill=True, step_ms=0.5)
    assert thin.tokens == full.tokens == 90 * 10 + 10 * 250
    assert thin.limit > 5 * full.limit


def test_mfu_is_the_share_of_the_peak(falcon, h200):
    peak = limits(h200, "bfloat16")
    work = training(falcon, peak, TOKENS, TOKENS, lora=True, again=True)
    found = mfu(work.model_flops, work.seconds(0.4), h200, "bfloat16")
    # A third of what is computed is computed again, which is of no use.
    assert found == pytest.approx(0.4 * 4 / 6)

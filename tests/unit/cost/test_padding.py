"""Padding that a plan expects is that of the micro-batches which trainers make."""

import random
from pathlib import Path

import polars as pl
import pytest

from made_up_training import make_recipe
from safegrid.cost.flops import train
from safegrid.cost.tokens import Pairs, count, merge
from safegrid.train.plan import make_plan
from safegrid.train.rows import positions, unpair

SIZES = {"batch": 32, "per_device_train_batch_size": 8, "max_steps": 100}


@pytest.fixture(scope="module")
def pairs():
    rng = random.Random(3)

    def ids(mean):
        return [1] * max(1, round(rng.lognormvariate(0, 0.7) * mean))

    rows = [
        {
            "pair_id": str(number),
            "prompt_ids": ids(40),
            "chosen_ids": ids(50),
            "rejected_ids": ids(30),
        }
        for number in range(900)
    ]
    return pl.DataFrame(rows)


def planned(pairs, method, falcon, h200):
    """Tokens with padding of a training, by a plan."""
    p, c, r = (
        pairs[f"{name}_ids"].list.len() for name in ("prompt", "chosen", "rejected")
    )
    chosen, rejected = (count((p + side).to_list(), "here") for side in (c, r))
    rows = count((p + c + r).to_list(), "here")
    lengths = Pairs(chosen, merge([chosen, rejected]), rows)
    work = train(falcon, h200, lengths, make_recipe(method, **SIZES))
    return work.flops / falcon.active / 6


def computed(lengths, plan):
    """Tokens with padding of the micro-batches of a training."""
    size = plan.forward_rows
    seen = [lengths[row] for row in plan.order]
    starts = range(0, len(seen), size)
    return sum(size * max(seen[start : start + size]) for start in starts)


@pytest.mark.parametrize("method", ["dpo", "nca", "aot", "orpo", "sft"])
def test_a_plan_pads_as_trainers_do(pairs, method, falcon, h200):
    rows = pairs.drop("rejected_ids") if method == "sft" else pairs
    recipe = make_recipe(method, **SIZES)
    plan = make_plan(recipe, 0, rows, pairs.height, Path())
    found = planned(pairs, method, falcon, h200)
    assert found == pytest.approx(computed(positions(rows), plan), rel=0.02)


def test_a_plan_of_kto_pads_every_answer_with_its_prompt(pairs, falcon, h200):
    recipe = make_recipe("kto", **SIZES)
    rows = unpair(pairs, recipe.training.per_device_train_batch_size, data_seed=0)
    plan = make_plan(recipe, 0, rows, pairs.height, Path())
    prompt = rows["prompt_ids"].list.len()
    own, mismatched = (
        (prompt + rows[f"{name}_ids"].list.len()).to_list()
        for name in ("completion", "KL_completion")
    )
    both = 6 * computed(own, plan) + 2 * computed(mismatched, plan)
    assert 6 * planned(pairs, "kto", falcon, h200) == pytest.approx(both, rel=0.02)

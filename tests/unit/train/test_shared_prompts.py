"""One row a pair gives the values and gradients of two rows a pair."""

import polars as pl
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.utils import add_fused_lm_head

from made_up_training import make_recipe
from safegrid.core.artifacts import read_table
from safegrid.core.records import PAIRS
from safegrid.models.checkpoints import load_model
from safegrid.models.pretrained import load_tokenizer
from safegrid.train.plan import make_plan
from safegrid.train.trainers.families import build_trainer
from safegrid.train.trainers.shared_prompts import (
    FIELDS,
    TESTED,
    can_share,
    share_prompts,
    visible,
    with_layout,
)

SHAPE = {
    **{"vocab_size": 64, "hidden_size": 32, "intermediate_size": 48},
    **{"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2},
    **{"max_position_embeddings": 64, "initializer_range": 0.3},
    **{"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
}
OF_ITS_OWN = {
    "gemma": {"head_dim": 8},
    "qwen3": {"head_dim": 8},
    "falcon": {
        **{"new_decoder_architecture": True, "num_kv_heads": 2, "alibi": False},
        **{"bias": False, "parallel_attn": True, "ffn_hidden_size": 48},
    },
    # As long as the longest row.
    "mistral": {"sliding_window": 9},
    "mixtral": {"num_local_experts": 4, "sliding_window": None},
}
# Prompts, chosen and rejected answers of several lengths, the shortest of one token.
PAIRS_OF_IDS = [
    {"prompt_ids": [1, 7, 8], "chosen_ids": [9, 10, 2], "rejected_ids": [11, 2]},
    {"prompt_ids": [1], "chosen_ids": [5], "rejected_ids": [6, 7, 8, 9, 10, 2]},
    {"prompt_ids": [1, 4, 5, 6, 7, 8], "chosen_ids": [3, 2], "rejected_ids": [3, 4, 2]},
]


def tiny(kind, **changes):
    shape = {**SHAPE, **OF_ITS_OWN.get(kind, {}), **changes}
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape))
    return model.eval()


def batch():
    return with_layout(DataCollatorForPreference(pad_token_id=0))(PAIRS_OF_IDS)


def values(model, shared):
    """The outputs of the fused head and the gradients of a weighted sum of them."""
    given = batch()
    labels = given["input_ids"].masked_fill(given.pop("completion_mask") == 0, -100)
    if not shared:
        del given["sources"], given["segments"]
    model.zero_grad()
    found = model(**given, labels=labels, use_cache=False, fused_lm_head=True)
    weights = torch.arange(1.0, found.log_probs.numel() + 1)
    (found.log_probs * weights.view_as(found.log_probs)).sum().backward()
    return found, {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("kind", sorted(TESTED))
def test_values_and_gradients_are_those_of_two_rows_a_pair(kind):
    model = tiny(kind)
    assert can_share(model, longest=9)
    add_fused_lm_head(model, outputs=FIELDS)
    share_prompts(model)
    plain, expected = values(model, shared=False)
    found, gradients = values(model, shared=True)
    assert int((plain.log_probs != 0).sum()) == 17  # the answers' tokens
    for name in FIELDS:
        torch.testing.assert_close(
            getattr(found, name), getattr(plain, name), rtol=1e-4, atol=1e-5
        )
    for name, gradient in expected.items():
        atol = 1e-5 * float(gradient.abs().max()) + 1e-6
        torch.testing.assert_close(gradients[name], gradient, rtol=1e-3, atol=atol)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("gemma2", {"sliding_window": 8}),
        ("mistral", {"sliding_window": 8}),
        ("falcon", {"alibi": True}),
        ("llama", {"attn_implementation": "eager"}),
        ("gpt_neox", {}),
    ],
)
def test_what_is_masked_in_another_way_keeps_two_rows_a_pair(kind, changes):
    assert not can_share(tiny(kind, **changes), longest=9)


def test_an_answer_sees_its_prompt_and_itself():
    seen = visible(torch.tensor([[0, 1, 1, 2, 2, 3]]))[0, 0].int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 0],
        [1, 0, 0, 0, 0, 1],
    ]


def test_a_shared_batch_has_fewer_positions():
    given = batch()
    assert given["input_ids"].shape == (6, 9)
    assert given["sources"].shape == given["segments"].shape == (3, 10)


@pytest.mark.parametrize("lora", [None, {"r": 4, "lora_alpha": 8}])
@pytest.mark.parametrize("method", ["nca", "orpo"])
def test_a_trainers_batches_are_shared(method, lora, base, pairs, tmp_path):
    rows = read_table(pairs, PAIRS)[:8].drop("category")
    if method == "nca":
        zeros = [pl.lit(0.0).alias(f"ref_{s}_logps") for s in ("chosen", "rejected")]
        rows = rows.with_columns(zeros)
    recipe = make_recipe(method, lora=lora)
    plan = make_plan(recipe, 0, rows, 8, tmp_path)
    trainer = build_trainer(plan, load_model([base]), load_tokenizer(base), rows)
    seen = []
    layer = next(
        m for n, m in trainer.model.named_modules() if n.endswith("layers.0.mlp")
    )
    layer.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[:2])))
    examples = [trainer.train_dataset[n] for n in range(8)]
    given = trainer.data_collator(examples)
    trainer.compute_loss(trainer.model, given)
    assert seen == [(8, given["sources"].shape[1])]

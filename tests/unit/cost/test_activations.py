"""What torch keeps for the backward, counted, against the arithmetic's constants."""

from contextlib import nullcontext

import pytest

from safegrid.cost.memory import KEPT

pytestmark = pytest.mark.slow

ROWS, LENGTH = 2, 97
SIZES = {"hidden_size": 320, "num_attention_heads": 5, "vocab_size": 101}
FAMILIES = {
    "llama": {"num_key_value_heads": 5, "intermediate_size": 832},
    "falcon": {
        "num_kv_heads": 5,
        "ffn_hidden_size": 1280,
        "new_decoder_architecture": True,
        "num_ln_in_parallel_attn": 1,
        "bias": False,
    },
}


def model_of(family, layers, lora):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = SIZES | FAMILIES[family] | {"num_hidden_layers": layers}
    config = AutoConfig.for_model(family, **settings)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    if not lora:
        return model.train()
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=8, lora_alpha=8, lora_dropout=0.05, target_modules="all-linear"
    )
    return get_peft_model(model, config).train()


def kept(family, layers, precision, lora, again=False, copies=False):
    """Return the bytes that a forward keeps for the backward, weights left out.

    With `copies` return those of autocast's copies of the weights instead.
    """
    import torch

    model = model_of(family, layers, lora)
    if again:
        model.activation_checkpointing_enable({"use_reentrant": False})
    weights = {w.untyped_storage().data_ptr() for w in model.parameters()}
    shapes = {s for w in model.parameters() for s in (w.shape, w.shape[::-1])}
    held = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        a_copy = tensor.shape in shapes
        if storage.data_ptr() not in weights and a_copy == copies:
            held[storage.data_ptr()] = tensor
        return tensor

    ids = torch.randint(0, 100, (ROWS, LENGTH))
    mask = torch.ones_like(ids)
    mask[0, -1] = 0
    bf16 = precision == "bfloat16"
    cast = torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext()
    inner = model.get_base_model() if lora else model
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), cast:
        out = inner.base_model(input_ids=ids, attention_mask=mask, use_cache=False)
    assert out is not None
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


def a_layer(family, precision, lora, again=False):
    """Return the bytes a token and layer, copies of weights left out."""
    two, four = (kept(family, n, precision, lora, again) for n in (2, 4))
    return (four - two) / 2 / (ROWS * LENGTH)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_keeps_what_is_planned(family, precision, lora):
    width, queries, mlp = KEPT[family == "llama", precision, lora]
    sizes = FAMILIES[family]
    feed_forward = sizes.get("intermediate_size") or sizes["ffn_hidden_size"]
    # As wide as its queries.
    planned = (width + queries) * SIZES["hidden_size"] + mlp * feed_forward
    assert planned == pytest.approx(a_layer(family, precision, lora), rel=0.04)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_recomputation_keeps_the_stream_in_float32(family, precision):
    assert a_layer(family, precision, lora=False, again=True) == 4 * 320


@pytest.mark.parametrize(("again", "share"), [(False, 1), (True, 0)])
def test_copies_of_frozen_weights_are_kept_unless_they_are_made_again(again, share):
    two, four = (
        kept("llama", layers, "bfloat16", True, again, copies=True) for layers in (2, 4)
    )
    layer = 4 * 320 * 320 + 3 * 320 * 832
    adapters = 8 * (4 * 640 + 3 * (320 + 832))
    found = (four - two) / 2
    assert share * 2 * layer <= found <= share * 2 * (layer + adapters)

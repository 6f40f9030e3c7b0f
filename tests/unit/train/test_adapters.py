"""Adapters are the same model trained, apart and merged, or they are refused."""

import pytest

from made_up_training import LORA, make_recipe, save_base
from safegrid.core.artifacts import read_table
from safegrid.core.errors import DataError, TrainingError
from safegrid.core.records import PAIRS
from safegrid.models.checkpoints import load_model
from safegrid.train import run as train_run

pytestmark = pytest.mark.slow

NAMED = ["q_proj", "down_proj"]


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def start(request, base, tmp_path_factory):
    """The made-up base, and one whose head has weights of its own."""
    if request.param:
        return True, base
    folder = tmp_path_factory.mktemp("untied")
    return False, save_base(folder, tie_word_embeddings=False)


@pytest.fixture
def trained(run, monkeypatch):
    """Return a maker of an adapter's folder and of the model that was trained."""

    def make(base, targets, method="dpo"):
        seen = []
        save = train_run._save

        def watched(trainer, *rest):
            seen.append(trainer.model)
            save(trainer, *rest)

        monkeypatch.setattr(train_run, "_save", watched)
        lora = {**LORA, "target_modules": targets}
        recipe = make_recipe(method, learning_rate=3e-2, lora=lora)
        return run(recipe, stack=[base], reference=None), seen[0]

    return make


def outputs(model, pairs):
    """Log-probabilities of every token of a row, or a classifier's outputs."""
    import torch

    row = read_table(pairs, PAIRS).row(0, named=True)
    ids = torch.tensor([row["prompt_ids"] + row["chosen_ids"]])
    with torch.no_grad():
        logits = model.eval()(input_ids=ids).logits
    return logits.log_softmax(-1) if logits.dim() == 3 else logits


@pytest.mark.parametrize(
    "targets",
    ["all-linear", NAMED, ["embed_tokens"], [*NAMED, "embed_tokens"]],
    ids=["all-linear", "linear", "embedding", "both"],
)
def test_a_merged_adapter_is_the_model_that_was_trained(start, targets, trained, pairs):
    import torch
    from peft import PeftModel

    tied, base = start
    if tied and "embed_tokens" in targets:
        with pytest.raises(TrainingError, match=r"one weight with lm_head.*another"):
            trained(base, targets)
        return
    out, model = trained(base, targets)
    expected = outputs(model, pairs)
    apart = PeftModel.from_pretrained(load_model([base]), str(out))
    merged = load_model([base, out])
    assert float((expected - outputs(load_model([base]), pairs)).abs().max()) > 0.1
    torch.testing.assert_close(outputs(apart, pairs), expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(outputs(merged, pairs), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("targets", ["all-linear", ["embed_tokens"]])
def test_a_merged_reward_model_is_the_one_that_was_trained(
    start, targets, trained, pairs
):
    """Its embedding is no head, whatever the start model's was."""
    import torch

    _, base = start
    out, model = trained(base, targets, "reward")
    found = outputs(load_model([base, out], head="classify"), pairs)
    torch.testing.assert_close(found, outputs(model, pairs), rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["dpo", "orpo", "sft"])
@pytest.mark.parametrize(
    ("targets", "why"),
    [
        (["q_porj"], "no module has such a name; linear layers: down_proj, gate_proj,"),
        (["input_layernorm"], "is a LlamaRMSNorm, and adapters are for linear layers"),
        (["self_attn"], "is a LlamaAttention, and adapters"),
    ],
)
def test_modules_without_an_adapter_are_told(base, targets, why, method, trained):
    with pytest.raises(TrainingError, match=why):
        trained(base, targets, method)


def test_a_head_gets_no_adapter_by_any_name(start):
    from peft import LoraConfig

    from safegrid.models.adapters import check_targets

    _, base = start
    with pytest.raises(TrainingError, match=r"lm_head is the head"):
        check_targets(load_model([base]), LoraConfig(target_modules=["lm_head"]))


def test_an_adapter_that_would_merge_into_another_model_is_not_loaded(base, tmp_path):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(init_lora_weights=False, target_modules=["embed_tokens"])
    get_peft_model(load_model([base]), config).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="embed_tokens has one weight with lm_head"):
        load_model([base, tmp_path])
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(DataError, match="pickles are not read"):
        load_model([base, tmp_path])


@pytest.mark.parametrize(
    "change",
    [
        {"use_rslora": True},
        {"use_dora": True},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 3}},
        {"modules_to_save": ["lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"modules_to_save": ["norm"]},
    ],
    ids=str,
)
def test_a_strangers_adapter_is_the_same_merged(start, change, pairs, tmp_path):
    """None of these can be asked for here; a folder can hold one all the same."""
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model

    _, base = start
    config = LoraConfig(
        r=4, init_lora_weights=False, target_modules="all-linear", **change
    )
    torch.manual_seed(0)
    model = get_peft_model(load_model([base]), config)
    for name, weight in model.named_parameters():
        if "modules_to_save" in name:
            torch.nn.init.normal_(weight, std=0.2)
    model.save_pretrained(tmp_path)
    apart = PeftModel.from_pretrained(load_model([base]), str(tmp_path))
    expected = outputs(apart, pairs)
    merged = load_model([base, tmp_path])
    assert float((expected - outputs(load_model([base]), pairs)).abs().max()) > 0.1
    torch.testing.assert_close(outputs(merged, pairs), expected, rtol=0, atol=1e-4)

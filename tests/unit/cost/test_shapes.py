"""Shapes are counted as transformers builds the models."""

import json
from pathlib import Path

import pytest

from safegrid.config.load import load_config
from safegrid.cost.shapes import base_shape, judge_shape, of_billions, read_shape
from safegrid.study import Study

CONFIG = Path(__file__).parents[3] / "config"
LLAMA = {"hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32}
# What the published config.json of each says, as far as sizes go.
PUBLISHED = {
    "falcon-11b": {
        "model_type": "falcon",
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "num_hidden_layers": 60,
        "num_kv_heads": 8,
        "new_decoder_architecture": True,
        "num_ln_in_parallel_attn": 1,
        "ffn_hidden_size": 16384,
        "vocab_size": 65024,
        "bias": False,
        "tie_word_embeddings": False,
    },
    "mistral-7b-instruct-v0.3": {
        **LLAMA,
        "model_type": "mistral",
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 32768,
    },
    "olmo-7b-instruct": {
        **LLAMA,
        "model_type": "olmo",
        "num_key_value_heads": 32,
        "intermediate_size": 11008,
        "vocab_size": 50304,
    },
    "yi-1.5-9b-chat": {
        **LLAMA,
        "model_type": "llama",
        "num_hidden_layers": 48,
        "num_key_value_heads": 4,
        "intermediate_size": 11008,
        "vocab_size": 64000,
    },
    "qwen2-7b-instruct": {
        "model_type": "qwen2",
        "hidden_size": 3584,
        "num_attention_heads": 28,
        "num_hidden_layers": 28,
        "num_key_value_heads": 4,
        "intermediate_size": 18944,
        "vocab_size": 152064,
    },
    "llama-3.1-8b-instruct": {
        **LLAMA,
        "model_type": "llama",
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 128256,
    },
    "mixtral-8x7b-instruct": {
        **LLAMA,
        "model_type": "mixtral",
        "num_key_value_heads": 8,
        "intermediate_size": 14336,
        "vocab_size": 32000,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
    "vicuna-7b-v1.5": {
        **LLAMA,
        "model_type": "llama",
        "num_key_value_heads": 32,
        "intermediate_size": 11008,
        "vocab_size": 32000,
    },
    "gemma-2-9b-it": {
        "model_type": "gemma2",
        "hidden_size": 3584,
        "num_attention_heads": 16,
        "num_hidden_layers": 42,
        "num_key_value_heads": 8,
        "head_dim": 256,
        "intermediate_size": 14336,
        "vocab_size": 256000,
    },
}
ROBERTA = {
    "model_type": "roberta",
    "hidden_size": 768,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "intermediate_size": 3072,
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
}


@pytest.fixture(scope="module")
def falcon_study():
    return Study(load_config(CONFIG, "falcon-11b"))


def built(settings, head):
    """Return the parameters of the model that transformers makes, without memory."""
    import torch
    import transformers

    config = transformers.AutoConfig.for_model(**settings)
    with torch.device("meta"):
        model = getattr(transformers, head).from_config(config)
    # A head that is tied is one tensor with the embedding table.
    return sum(weight.numel() for weight in model.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("base", PUBLISHED)
def test_parameters_are_those_that_transformers_builds(base):
    shape = read_shape(PUBLISHED[base])
    real = built(PUBLISHED[base], "AutoModelForCausalLM")
    assert shape.parameters == pytest.approx(real, rel=1e-4)


@pytest.mark.slow
def test_an_encoder_is_counted_too():
    real = built(ROBERTA, "AutoModelForSequenceClassification")
    assert read_shape(ROBERTA).parameters == pytest.approx(real, rel=0.01)


@pytest.mark.parametrize("base", PUBLISHED)
def test_the_registry_states_what_is_published(base, falcon_study, tmp_path):
    stated = base_shape(falcon_study, base, tmp_path)
    published = read_shape(PUBLISHED[base])
    for size in ("parameters", "active", "cached", "queries", "keys", "head", "gated"):
        assert getattr(stated.shape, size) == getattr(published, size), size
    assert stated.source == f"shape stated in the registry, from memory: {base}"


def test_every_base_of_the_registry_has_a_shape(falcon_study):
    bases = falcon_study.config.bases.values()
    assert [b for b in bases if b.world is None and b.shape is None] == []


def test_a_mixture_computes_with_some_of_its_experts():
    shape = read_shape(PUBLISHED["mixtral-8x7b-instruct"])
    assert shape.parameters == pytest.approx(46.7e9, rel=0.001)
    assert shape.active == pytest.approx(12.9e9, rel=0.002)


def test_a_folder_that_is_there_is_believed(falcon_study, tmp_path):
    folder = tmp_path / "results/bases/falcon-11b"
    folder.mkdir(parents=True)
    settings = PUBLISHED["falcon-11b"] | {"num_hidden_layers": 30}
    (folder / "config.json").write_text(json.dumps(settings))
    found = base_shape(falcon_study, "falcon-11b", tmp_path)
    assert found.shape.layers == 30
    assert found.source == "shape read in: results/bases/falcon-11b"


def test_a_folder_of_the_users_own_is_believed_where_its_place_is_given(
    make_study, tmp_path
):
    path = tmp_path / "config/bases.yaml"
    entry = "\nown: {path: mine/falcon, n_params_b: 1}\n"
    path.write_text(path.read_text() + entry)
    config = make_study("tiny", {"bases": ["own"]}).config
    folder = tmp_path / "given/mine/falcon"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(PUBLISHED["falcon-11b"]))
    assert "assumed" in base_shape(Study(config), "own", tmp_path).source
    told = base_shape(Study(config, str(tmp_path / "given")), "own", tmp_path)
    assert told == (read_shape(PUBLISHED["falcon-11b"]), "shape read in: mine/falcon")


def test_an_old_falcon_has_one_head_of_keys():
    settings = PUBLISHED["falcon-11b"] | {
        "new_decoder_architecture": False,
        "multi_query": True,
    }
    assert read_shape(settings).keys == 128


def test_a_configuration_without_sizes_says_nothing():
    assert read_shape({"model_type": "llama", "hidden_size": 64}) is None


def test_a_grown_model_has_the_shape_of_its_world(tmp_path):
    study = Study(load_config(CONFIG, "mini"))
    base = base_shape(study, "mini-base", tmp_path).shape
    assert (base.layers, base.width, base.feed_forward) == (4, 128, 512)
    assert base.parameters == 1_180_800
    guard = judge_shape(study, "mini-guard", "", tmp_path).shape
    assert (guard.layers, guard.width) == (2, 96)
    likelihood = judge_shape(study, "mini-fluency", "mini-base", tmp_path).shape
    assert likelihood == base


@pytest.mark.parametrize("billions", [0.5, 7, 11, 70])
def test_a_shape_of_billions_has_so_many(billions):
    assert of_billions(billions).parameters == pytest.approx(billions * 1e9, rel=0.2)

"""Shapes are counted as transformers builds the models."""

import json
import shutil
from pathlib import Path

import pytest

from safegrid.config.load import load_config
from safegrid.cost.registry import base_shape, judge_shape, of_billions, read_shape
from safegrid.study import Study

CONFIG = Path(__file__).parents[3] / "config"


def published(kind, layers, width, heads, keys, feed_forward, words, **more):
    """Return what a published config.json says, as far as sizes go."""
    return {
        "model_type": kind,
        "num_hidden_layers": layers,
        "hidden_size": width,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
        "intermediate_size": feed_forward,
        "vocab_size": words,
        **more,
    }


FALCON = {
    "num_kv_heads": 8,
    "new_decoder_architecture": True,
    "num_ln_in_parallel_attn": 1,
    "ffn_hidden_size": 16384,
    "bias": False,
    "tie_word_embeddings": False,
}
MIXTURE = {"num_local_experts": 8, "num_experts_per_tok": 2}
PUBLISHED = {
    "falcon-11b": published("falcon", 60, 4096, 32, 8, None, 65024, **FALCON),
    "mistral-7b-instruct-v0.3": published("mistral", 32, 4096, 32, 8, 14336, 32768),
    "olmo-7b-instruct": published("olmo", 32, 4096, 32, 32, 11008, 50304),
    "yi-1.5-9b-chat": published("llama", 48, 4096, 32, 4, 11008, 64000),
    "qwen2-7b-instruct": published("qwen2", 28, 3584, 28, 4, 18944, 152064),
    "llama-3.1-8b-instruct": published("llama", 32, 4096, 32, 8, 14336, 128256),
    "mixtral-8x7b-instruct": published(
        "mixtral", 32, 4096, 32, 8, 14336, 32000, **MIXTURE
    ),
    "vicuna-7b-v1.5": published("llama", 32, 4096, 32, 32, 11008, 32000),
    "qwen2.5-0.5b-instruct": published(
        "qwen2", 24, 896, 14, 2, 4864, 151936, tie_word_embeddings=True
    ),
    "qwen2.5-32b-instruct": published("qwen2", 64, 5120, 40, 8, 27648, 152064),
    "gemma-2-9b-it": published("gemma2", 42, 3584, 16, 8, 14336, 256000, head_dim=256),
}
POSITIONS = {"max_position_embeddings": 514, "type_vocab_size": 1}
ROBERTA = published("roberta", 12, 768, 12, None, 3072, 50265, **POSITIONS)


def test_a_guard_that_errs_by_rule_has_the_shape_of_the_guard():
    study = Study(load_config(CONFIG, "poor-judges"))
    names = ("poor-guard", "poor-place_guard", "poor-style_guard")
    shapes = {judge_shape(study, name, "poor-base").shape for name in names}
    assert len(shapes) == 1


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
@pytest.mark.parametrize("base", [*PUBLISHED, "roberta"])
def test_parameters_are_those_that_transformers_builds(base):
    settings, head, near = PUBLISHED.get(base, ROBERTA), "CausalLM", 1e-4
    if base == "roberta":
        head, near = "SequenceClassification", 0.01
    settings = {name: value for name, value in settings.items() if value is not None}
    real = built(settings, f"AutoModelFor{head}")
    assert read_shape(settings).parameters == pytest.approx(real, rel=near)


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
    study = Study(config, str(tmp_path / "given"))
    told = base_shape(study, "own", tmp_path)
    assert told == (read_shape(PUBLISHED["falcon-11b"]), "shape read in: mine/falcon")
    # Its copy below results/ is stronger.
    shutil.copytree(folder, tmp_path / "results/bases/own")
    assert (
        base_shape(study, "own", tmp_path).source == "shape read in: results/bases/own"
    )


def test_what_a_configuration_leaves_out():
    old = {"new_decoder_architecture": False, "multi_query": True}
    assert read_shape(PUBLISHED["falcon-11b"] | old).keys == 128, "one head of keys"
    assert read_shape({"model_type": "llama", "hidden_size": 64}) is None


def test_a_grown_model_has_the_shape_of_its_world(tmp_path):
    study = Study(load_config(CONFIG, "mini"))
    base = base_shape(study, "mini-base", tmp_path).shape
    assert (base.layers, base.width, base.feed_forward) == (4, 128, 512)
    assert base.parameters == 1_180_800
    sizes = [
        base_shape(study, f"mini-{size}", tmp_path) for size in ("small", "medium")
    ]
    assert [known.shape.parameters for known in sizes] == [49_248, 196_928]
    guard = judge_shape(study, "mini-guard", "", tmp_path).shape
    assert (guard.layers, guard.width) == (2, 96)
    likelihood = judge_shape(study, "mini-fluency", "mini-base", tmp_path).shape
    assert likelihood == base


@pytest.mark.parametrize("billions", [0.5, 7, 11, 70])
def test_a_shape_of_billions_has_so_many(billions):
    assert of_billions(billions).parameters == pytest.approx(billions * 1e9, rel=0.2)

"""Trainings of made-up pairs: their rows, a tokenizer, recipes, and what they leave."""

from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest

from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.core.artifacts import manifest, read_table, write_json, write_table
from safegrid.core.records import HISTORY, PREFERENCE
from tiny_models import byte_level

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|' + m['role'] + '|>' + m['content'] }}"
    "{{ eos_token if m['role'] == 'assistant' else '' }}{{ '\n' }}"
    "{% endfor %}{{ '<|assistant|>' if add_generation_prompt else '' }}"
)
WORDS = ["river", "stone", "cloud", "lamp", "garden", "window", "bread", "silver"]
LORA = {"r": 4, "lora_alpha": 8, "lora_dropout": 0.0}
DROPPING = {**LORA, "lora_dropout": 0.2}


def texts(number):
    """A prompt, a chosen and a rejected answer of differing lengths."""
    first, second = WORDS[number % 8], WORDS[(number // 8 + 3) % 8]
    chosen = f"No, the {first} stays" + " here" * (number % 3)
    rejected = f"Yes: {second} {first}" + " and more" * (number % 4)
    return f"May I take the {first} and the {second} {number}?", chosen, rejected


def preferences(count):
    rows = [
        {
            **dict(zip(("prompt", "chosen", "rejected"), texts(number), strict=True)),
            "pair_id": f"p{number:03d}",
            "category": "even" if number % 2 == 0 else "odd",
            "source": "made-up",
            "source_row": number,
        }
        for number in range(count)
    ]
    return pl.DataFrame(rows, schema=PREFERENCE)


def save_preferences(path, frame):
    write_table(path, frame, PREFERENCE, manifest("prepare", {}, {}))
    return path


def save_tokenizer(folder, template=TEMPLATE):
    tokenizer = byte_level((" ".join(texts(n)) for n in range(64)), 320)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 512}
    write_json(folder / "tokenizer_config.json", {**kind, **tokens})
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return tokenizer.get_vocab_size()


def save_base(folder, **shape):
    """Write a random Llama of two layers with its tokenizer, or of another shape."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    usual = {
        "vocab_size": save_tokenizer(folder),
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 256,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    torch.manual_seed(7)
    LlamaForCausalLM(LlamaConfig(**usual | shape)).save_pretrained(folder)
    return folder


def make_recipe(method="dpo", **changes):
    """A recipe with settings that suit the made-up base."""
    outer = ("name", "fraction", "categories", "init_from")
    fields = {key: changes.pop(key) for key in outer if key in changes}
    training = {
        "learning_rate": 1e-3,
        "beta": 0.1 if METHODS[method].beta else None,
        "label_smoothing": {"rdpo": 0.1, "exo": 0.001}.get(method, 0.0),
        "max_steps": 4,
        "batch": 8,
        "per_device_train_batch_size": 8,
        "logging_steps": 1,
        **changes,
    }
    named = {"name": method, "method": method, "dataset": "d", **fields}
    return Recipe.model_validate({**named, "training": training})


def curve(folder, metric=None):
    """The rows of a model's curve, or the values of one metric."""
    rows = read_table(Path(folder) / "history.parquet", HISTORY)
    return rows if metric is None else rows.filter(metric=metric)["value"].to_list()


def stored(folder):
    """The tensors of a folder's one file of weights."""
    from safetensors.torch import load_file

    (file,) = folder.glob("*.safetensors")
    return load_file(file)


@contextmanager
def broken_off(step):
    """Let a training end, as a kill would, when so many of its steps are done."""
    from safegrid.train.save import Watch

    def fail(self, args, state, control, **_):
        if state.global_step == step:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Watch, "on_step_begin", fail)
        yield

"""A base of a few thousand weights with its own tokenizer, made here, and pairs."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from safegrid.config.methods import METHODS
from safegrid.config.training import Recipe
from safegrid.core.artifacts import manifest, write_json, write_table
from safegrid.core.records import PREFERENCE
from safegrid.train.tokenize import tokenize_pairs

SPECIAL = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|' + m['role'] + '|>' + m['content'] }}"
    "{{ eos_token if m['role'] == 'assistant' else '' }}{{ '\n' }}"
    "{% endfor %}{{ '<|assistant|>' if add_generation_prompt else '' }}"
)
WORDS = ["river", "stone", "cloud", "lamp", "garden", "window", "bread", "silver"]

RecipeMaker = Callable[..., Recipe]


def texts(number: int) -> tuple[str, str, str]:
    """A prompt, a chosen and a rejected answer of differing lengths."""
    first, second = WORDS[number % 8], WORDS[(number // 8 + 3) % 8]
    chosen = f"No, the {first} stays" + " here" * (number % 3)
    rejected = f"Yes: {second} {first}" + " and more" * (number % 4)
    return f"May I take the {first} and the {second} {number}?", chosen, rejected


def preferences(count: int) -> pl.DataFrame:
    rows = [
        {
            "pair_id": f"p{number:03d}",
            "prompt": prompt,
            "chosen": chosen,
            "rejected": rejected,
            "category": "even" if number % 2 == 0 else "odd",
            "source": "made-up",
            "source_row": number,
        }
        for number, (prompt, chosen, rejected) in enumerate(map(texts, range(count)))
    ]
    return pl.DataFrame(rows, schema=PREFERENCE)


def save_tokenizer(folder: Path, template: str = TEMPLATE) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((" ".join(texts(n)) for n in range(64)), trainer)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "model_max_length": 512,
    }
    write_json(folder / "tokenizer_config.json", settings)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")


def save_preferences(path: Path, frame: pl.DataFrame) -> Path:
    write_table(path, frame, PREFERENCE, manifest("prepare", {}, {}))
    return path


@pytest.fixture(scope="session")
def kit() -> SimpleNamespace:
    """The makers of this file, for tests that want their own."""
    return SimpleNamespace(
        template=TEMPLATE,
        preferences=preferences,
        save_preferences=save_preferences,
        save_tokenizer=save_tokenizer,
    )


@pytest.fixture(scope="session")
def tokenizer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(folder)
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    save_tokenizer(folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    config = LlamaConfig(
        vocab_size=len(tokenizer["model"]["vocab"]),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    torch.manual_seed(7)
    LlamaForCausalLM(config).save_pretrained(folder)
    # The pairs are made by a folder without a model: both hold the same files.
    (folder / "generation_config.json").unlink()
    return folder


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory, tokenizer_dir: Path) -> Path:
    """Sixty-four pairs as ids of the tokenizer that the base has too."""
    folder = tmp_path_factory.mktemp("pairs")
    dataset = save_preferences(folder / "dataset.parquet", preferences(64))
    tokenize_pairs(dataset, tokenizer_dir, 128, folder / "pairs.parquet")
    return folder / "pairs.parquet"


@pytest.fixture(scope="session")
def reference(
    base: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    from safegrid.train.reference import compute_reference

    out = tmp_path_factory.mktemp("reference") / "reference.parquet"
    compute_reference(pairs, [base], "float32", 8, out)
    return out


@pytest.fixture
def make_recipe() -> RecipeMaker:
    """Return a maker of recipes with settings that suit the made-up base."""
    smoothing = {"rdpo": 0.1, "exo": 0.001}

    def make(method: str = "dpo", **changes: Any) -> Recipe:
        fields = {key: changes.pop(key) for key in list(changes) if key in _OUTER}
        training = {
            "learning_rate": 1e-3,
            "beta": 0.1 if METHODS[method].beta else None,
            "label_smoothing": smoothing.get(method, 0.0),
            "max_steps": 4,
            "batch": 8,
            "per_device_train_batch_size": 8,
            "logging_steps": 1,
            **changes,
        }
        return Recipe.model_validate(
            {"name": method, "method": method, "dataset": "d", **fields}
            | {"training": training}
        )

    return make


_OUTER = ("name", "fraction", "categories", "init_from")

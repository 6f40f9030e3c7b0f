"""A tiny random model of every family's own architecture, its pairs and trainings."""

import polars as pl
import pytest

from safegrid.config.training import Recipe
from safegrid.core.artifacts import manifest, write_table
from safegrid.core.records import PREFERENCE
from safegrid.train.run import train
from safegrid.train.tokenize import tokenize_pairs

from ...conftest import save_family

COMMON = {"intermediate_size": 48, "num_key_value_heads": 1}
WORDS = ["lamp", "bread", "river", "window", "stone", "garden", "silver", "cloud"]


def save_model(family, folder, positions=256):
    """Write a family's folder with a model in it."""
    import torch
    import transformers

    save_family(family, folder)
    kind = family.architecture
    backend = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(backend),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=positions,
        # Large, so that the likeliest token is so by a margin.
        initializer_range=0.2,
        # Falcon has other names for these two.
        **{} if kind == "Falcon" else COMMON,
        **family.config,
        bos_token_id=backend.bos_token_id,
        eos_token_id=backend.eos_token_id,
        pad_token_id=backend.pad_token_id,
    )
    torch.manual_seed(3)
    settings = (folder / "generation_config.json").read_bytes()
    getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(folder)
    (folder / "generation_config.json").write_bytes(settings)
    return folder


@pytest.fixture(scope="session")
def model_folder(family, tmp_path_factory):
    """The folder of the family in turn."""
    return save_model(family, tmp_path_factory.mktemp(family.name) / "model")


def write_pairs(model, folder):
    """Write pairs of several lengths, as ids of a model's tokenizer."""
    rows = [
        {
            "pair_id": f"p{number}",
            "prompt": f"May I take the {word}" + " and more" * (number % 3) + "?",
            "chosen": f"No, the {word} stays" + " here" * (number % 4),
            "rejected": f"Yes: take {word}" + " now" * (number % 5),
            "category": None,
            "source": "made-up",
            "source_row": number,
        }
        for number, word in enumerate(WORDS)
    ]
    folder.mkdir(exist_ok=True)
    dataset, out = folder / "dataset.parquet", folder / "pairs.parquet"
    frame = pl.DataFrame(rows, schema=PREFERENCE)
    write_table(dataset, frame, PREFERENCE, manifest("prepare", {}, {}))
    tokenize_pairs(dataset, model, 250, out)
    return out


def trained(model, pairs, folder, method="dpo", reference=None, **settings):
    """Train a model on pairs by a method; return the folder of the new one."""
    beta = 0.1 if method in ("dpo", "kto", "orpo") else None
    common = {"beta": beta, "batch": 8, "warmup_ratio": 0.0, "logging_steps": 1}
    recipe = {"name": method, "method": method, "dataset": "d"}
    recipe["training"] = {**common, "per_device_train_batch_size": 4, **settings}
    train(
        pairs=pairs,
        stack=[model],
        reference=reference,
        kto_reference=None,
        recipe=Recipe.model_validate(recipe),
        seed=0,
        data_seed=0,
        out=[folder / "model"],
        checkpoints=folder / "checkpoints",
    )
    return folder / "model"

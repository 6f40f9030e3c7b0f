"""A tiny random model of every family's own architecture, with its tokenizer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMMON = {"intermediate_size": 48, "num_key_value_heads": 1}


@pytest.fixture(scope="session")
def save_model(save: Callable[..., Path]) -> Callable[..., Path]:
    """Return a writer of a family's folder with a model in it."""
    import torch
    import transformers

    def make(family: Any, folder: Path, positions: int = 256) -> Path:
        save(family, folder)
        kind, options = family.architecture
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
            **options,
            bos_token_id=backend.bos_token_id,
            eos_token_id=backend.eos_token_id,
            pad_token_id=backend.pad_token_id,
        )
        torch.manual_seed(3)
        settings = (folder / "generation_config.json").read_bytes()
        getattr(transformers, f"{kind}ForCausalLM")(config).save_pretrained(folder)
        (folder / "generation_config.json").write_bytes(settings)
        return folder

    return make


@pytest.fixture(scope="session")
def model_folder(
    family: Any,
    save_model: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of the family in turn."""
    return save_model(family, tmp_path_factory.mktemp(family.name) / "model")

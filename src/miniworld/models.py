"""From a trained model to a folder that any reader of Hugging Face models takes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from miniworld.tokenizer import load_tokenizer, save_tokenizer
from safegrid.config.world import SmallModel, World
from safegrid.core.artifacts import MANIFEST, manifest, write_result
from safegrid.models.checkpoints import folder_facts
from safegrid.models.templates import ChatTokenizer

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedModel


def lay_tokenizer(source: Path, folder: Path, template: str | None) -> ChatTokenizer:
    """Write a copy of a tokenizer with another template, and read it back.

    Raises:
        TrainingError: `source` holds no tokenizer.
    """
    save_tokenizer(load_tokenizer(source), folder, template)
    return ChatTokenizer.load(folder)


def llama_config(spec: SmallModel, tokenizer: ChatTokenizer) -> "LlamaConfig":
    """Return a Llama configuration; input and output embeddings are shared."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=load_tokenizer(tokenizer.folder).get_vocab_size(),
        hidden_size=spec.hidden,
        intermediate_size=spec.feed_forward,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        max_position_embeddings=spec.context,
        bos_token_id=tokenizer.bos_id,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
        tie_word_embeddings=True,
        # The customary 0.02 is meant for widths of thousands: from it a model this
        # narrow needed 1.6 times the steps for the same loss.
        initializer_range=spec.hidden**-0.5,
        dtype="float32",
    )


def save_model(
    model: "PreTrainedModel",
    folder: Path,
    inputs: dict[str, Path],
    world: World,
    **facts: Any,
) -> None:
    """Write weights, configuration and, last, the manifest.

    Args:
        model: the trained model.
        folder: holds the tokenizer already.
        inputs: files that the model was trained on.
        world: what it was trained by.
        facts: what else its manifest says.
    """
    model.save_pretrained(folder)
    said = manifest(
        "miniworld",
        inputs,
        {"world": world.model_dump(exclude_none=True)},
        ["torch", "transformers", "tokenizers"],
        parameters=sum(p.numel() for p in model.parameters()),
        **folder_facts(folder),
        **facts,
    )
    write_result(folder / MANIFEST, said)

"""Random models of two architectures that answer in milliseconds, with a tokenizer."""

import itertools
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

SPECIAL = ["<pad>", "<s>", "</s>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>"
    "{{ message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_models(folder: Path) -> Path:
    """Write each model into a folder of its name; torch is imported here only."""
    import torch
    import transformers

    # Large weights, so that the likeliest token is so by a margin.
    common = {"bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.25}
    llama = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    llama |= {"num_attention_heads": 4, "num_key_value_heads": 2, "num_labels": 3}
    llama |= {"max_position_embeddings": 256, "pad_token_id": 0}
    # Its learned positions are absolute: padding must not shift them.
    gpt2 = {"n_positions": 256, "n_embd": 64, "n_layer": 2, "n_head": 4}
    for seed, (name, kind, settings) in enumerate(
        (
            ("causal", "LlamaForCausalLM", llama),
            ("other", "LlamaForCausalLM", llama),
            ("classifier", "LlamaForSequenceClassification", llama),
            ("absolute", "GPT2LMHeadModel", gpt2),
        )
    ):
        size = write_tokenizer(folder / name)
        torch.manual_seed(seed)
        made = getattr(transformers, kind)
        model = made(made.config_class(vocab_size=size, **common, **settings))
        if kind == "LlamaForCausalLM":
            # The end token about as likely as any ten others.
            model.lm_head.weight.data[2] *= 1.5
        model.save_pretrained(folder / name)
    return folder


def byte_level(
    texts: Iterable[str], size: int, special: Sequence[str] = SPECIAL
) -> Tokenizer:
    """Learn a byte-level BPE of so many tokens."""
    backend = Tokenizer(BPE())
    backend.pre_tokenizer = ByteLevel(add_prefix_space=False)
    backend.decoder = ByteLevelDecoder()
    trainer = BpeTrainer(
        vocab_size=size,
        special_tokens=list(special),
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(texts, trainer)
    return backend


def write_tokenizer(folder: Path) -> int:
    """Write a byte-level tokenizer with a chat template; return how many it knows."""
    from transformers import PreTrainedTokenizerFast

    words = ["".join(word) for word in itertools.product("abdeiklmnorst", repeat=3)]
    draw = random.Random(0)
    text = [" ".join(draw.choices(words, k=40)) for _ in range(100)]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=byte_level(text, 600),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return len(tokenizer)

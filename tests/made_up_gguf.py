"""Small GGUF files for tests: a random Llama with a byte-level tokenizer, or a bad one.

The weights are quantised here, and a model of transformers with the same numbers is
given back: what is converted from the file must compute what that one does.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

WORDS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
BOS, EOS, UNKNOWN = 1, 2, 0
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"
QUANT = gguf.GGMLQuantizationType


def vocabulary() -> list[str]:
    """Return special tokens, all bytes, and what three merges make."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return [*WORDS, *bytes_to_unicode().values(), "\u010a\u010a", "\u0120a", "aa"]


def writer(path: Path, architecture: str = "llama") -> gguf.GGUFWriter:
    return gguf.GGUFWriter(path, architecture)


def add_weight(out: gguf.GGUFWriter) -> None:
    out.add_tensor("token_embd.weight", np.zeros((4, 32), dtype=np.float32))


def close(out: gguf.GGUFWriter) -> None:
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def add_tokenizer(
    out: gguf.GGUFWriter,
    split: str | None = "smollm",
    add_bos: bool = False,
    template: str | None = TEMPLATE,
) -> None:
    tokens = vocabulary()
    out.add_tokenizer_model("gpt2")
    if split is not None:
        out.add_tokenizer_pre(split)
    out.add_token_list(tokens)
    control, plain = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    out.add_token_types([control if t in WORDS else plain for t in tokens])
    out.add_token_merges(["\u010a \u010a", "\u0120 a", "a a"])
    out.add_bos_token_id(BOS)
    out.add_eos_token_id(EOS)
    out.add_unk_token_id(UNKNOWN)
    out.add_pad_token_id(EOS)
    out.add_add_bos_token(add_bos)
    if template is not None:
        out.add_chat_template(template)


def add_shape(out: gguf.GGUFWriter, shape: dict[str, int]) -> None:
    out.add_block_count(shape["num_hidden_layers"])
    out.add_context_length(128)
    out.add_embedding_length(shape["hidden_size"])
    out.add_feed_forward_length(shape["intermediate_size"])
    out.add_head_count(shape["num_attention_heads"])
    out.add_head_count_kv(shape["num_key_value_heads"])
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_freq_base(10_000.0)
    out.add_vocab_size(shape["vocab_size"])
    out.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_1)


def write_llama(path: Path, lost: str = "", **tokenizer: Any) -> Any:
    """Write a random Llama; return transformers' own model with the same weights.

    Args:
        path: of the file.
        lost: the name of a tensor that is left out.
        tokenizer: arguments of `add_tokenizer`.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = {
        "num_hidden_layers": 2,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": len(vocabulary()),
    }
    torch.manual_seed(0)
    config = LlamaConfig(
        **shape, rms_norm_eps=1e-5, tie_word_embeddings=True, initializer_range=0.3
    )
    model = LlamaForCausalLM(config).eval()
    out = writer(path)
    add_shape(out, shape)
    add_tokenizer(out, **tokenizer)
    for name, weight in model.model.named_parameters():
        place = _place(name)
        kind = QUANT.Q8_0 if place.startswith("token_embd") else QUANT.Q4_1
        numbers = weight.detach().numpy()
        if numbers.ndim == 1:
            rows, kind, same = numbers, QUANT.F32, numbers
        else:
            rows = gguf.quantize(numbers, kind)
            same = gguf.dequantize(rows, kind)
        weight.data.copy_(torch.from_numpy(np.array(same)))
        if ".attn_q." in place:
            rows = _rotated(rows, shape["num_attention_heads"])
        elif ".attn_k." in place:
            rows = _rotated(rows, shape["num_key_value_heads"])
        if place != lost:
            out.add_tensor(place, rows, raw_dtype=kind)
    close(out)
    return model


def _rotated(rows: np.ndarray, heads: int) -> np.ndarray:
    """Put the rows of a head in the order of llama.cpp's rotary embedding."""
    parts = rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1])
    return parts.swapaxes(1, 2).reshape(rows.shape)


def _place(name: str) -> str:
    """Return what llama.cpp calls a weight of transformers' Llama."""
    known = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    found = known.get_name(f"model.{name}", try_suffixes=(".weight",))
    assert found is not None, name
    return found

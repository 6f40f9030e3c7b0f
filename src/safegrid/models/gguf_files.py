"""GGUF files: a model in one file, with quantised weights and its tokenizer inside.

Here is what such a file says of itself, and whether a model can be made of it. What
makes one is `safegrid.fetch.convert`.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safegrid.core.errors import DataError
from safegrid.core.text_files import placeholder

if TYPE_CHECKING:
    from gguf import GGUFReader

KIND = "tokenizer.ggml.model"
TOKENS = "tokenizer.ggml.tokens"
SPLIT = "tokenizer.ggml.pre"
# What `KIND` calls a byte-level BPE; `SPLIT` tells how it splits a text into words.
BYTE_LEVEL = "gpt2"
# Names of GPT-2's own way to split, which transformers takes where it knows none.
AS_GPT2 = {"gpt-2", "jais", "mpt", "olmo", "phi-2"}
# Those that split each digit off before they go on in GPT-2's way (llama.cpp,
# src/llama-vocab.cpp): transformers would join a digit to the space before it.
DIGITS = "codeshell command-r exaone minerva-7b refact smollm starcoder"
SINGLE_DIGITS = set(DIGITS.split())


@dataclass(frozen=True)
class GgufFacts:
    """What a GGUF file says of itself.

    Names of its family and of how its tokenizer splits texts are llama.cpp's; numbers
    of weights stand by type of tensor.
    """

    architecture: str
    quantisation: str
    tensor_types: Mapping[str, int]
    tokenizer: str
    split: str | None


def check_gguf(path: Path) -> GgufFacts:
    """Check that transformers makes a model of a whole GGUF file, and its tokens."""
    reader = _reader(path)
    architecture = _text(reader, "general.architecture")
    if architecture is None:
        raise DataError(f"{path}: does not name its architecture, so it is no model")
    kind, split = _text(reader, KIND), _text(reader, SPLIT)
    if kind is None or TOKENS not in reader.fields:
        raise DataError(
            f"{path}: holds no tokenizer ({KIND}, {TOKENS}), so that no text can become"
            " tokens of this model; take a file that was made with its tokenizer"
        )
    if not reader.tensors:
        raise DataError(f"{path}: holds no weights, only a vocabulary")
    _check_known(path, kind, split)
    types = Counter[str]()
    for tensor in reader.tensors:
        types[tensor.tensor_type.name] += int(tensor.n_elements)
    quantisation, numbers = _quantisation(reader, types), dict(sorted(types.items()))
    return GgufFacts(architecture, quantisation, numbers, kind, split)


def _check_known(path: Path, kind: str, split: str | None) -> None:
    from transformers.integrations.gguf.gguf_tokenizer_mapping import (
        GGUF_PRE_TOKENIZER_SPLITS,
    )

    from safegrid.models.pretrained import load_gguf_config

    known = {*AS_GPT2, *SINGLE_DIGITS, *GGUF_PRE_TOKENIZER_SPLITS}
    if kind == BYTE_LEVEL and split not in known:
        named = f"as {split!r} does" if split else "in a way not told"
        raise DataError(
            f"{path}: its tokenizer splits texts {named} ({SPLIT}), which cannot be"
            " rebuilt here: texts would become other tokens than those it was trained"
            " on. Take the model as safetensors"
        )
    load_gguf_config(path)


def _reader(path: Path) -> "GGUFReader":
    from gguf import GGUFReader

    if (stands := placeholder(path)) is not None:
        raise DataError(f"{path} is {stands}")
    try:
        return GGUFReader(path)
    # All that numpy raises where bytes are missing, or are no lengths and no text.
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise DataError(
            f"{path}: is no whole GGUF file, but cut off, damaged or something else"
            f" ({error}); put a whole one there, or fetch it again"
        ) from None


def _text(reader: "GGUFReader", key: str) -> str | None:
    field = reader.get_field(key)
    return None if field is None else str(field.contents())


def _quantisation(reader: "GGUFReader", types: Counter[str]) -> str:
    from gguf import LlamaFileType

    field = reader.get_field("general.file_type")
    number: Any = None if field is None else field.contents()
    if number in set(LlamaFileType):
        return LlamaFileType(number).name.removeprefix("MOSTLY_").removeprefix("ALL_")
    return types.most_common(1)[0][0]

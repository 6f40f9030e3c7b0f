"""A model in a GGUF file becomes the folder that every other stage reads.

Its weights are made float32 again and written as safetensors; tokenizer, chat template
and generation settings are those inside the file.
"""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from safegrid.core.artifacts import manifest as describe
from safegrid.core.files import MANIFEST, atomic_directory, read_object, write_json
from safegrid.core.seals import check_folder, write_result
from safegrid.models.checkpoints import folder_facts
from safegrid.models.gguf_files import BYTE_LEVEL, SINGLE_DIGITS, GgufFacts, check_gguf
from safegrid.models.pretrained import load_gguf_model, load_gguf_tokenizer
from safegrid.models.templates import ChatTokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)

# Their versions can change a weight, or what a text becomes.
LIBRARIES = ("gguf", "tokenizers", "torch", "transformers")
# One file, however large.
ONE_SHARD = "100TB"
SETTINGS = "tokenizer_config.json"
# What tells of the machine that wrote the settings.
OF_THE_MACHINE = ("is_local", "local_files_only", "name_or_path")


def convert_gguf(gguf: Path, template: str | None, out: Path) -> None:
    """Convert a model in a GGUF file to a folder with safetensors.

    Args:
        gguf: the file, in the folder that was fetched.
        template: chat template that is stored where the file has none; None for none.
        out: the model's folder.
    """
    check_folder(gguf.parent)
    facts = check_gguf(gguf)
    tokenizer = load_gguf_tokenizer(gguf)
    whose = "the checkpoint's"
    if not tokenizer.chat_template:
        tokenizer.chat_template = template
        whose = "none" if template is None else "the configuration's"
    model = load_gguf_model(gguf)
    with atomic_directory(out) as folder:
        _save_tokenizer(tokenizer, facts, folder)
        model.config.name_or_path = ""
        model.save_pretrained(folder, max_shard_size=ONE_SHARD)
        ChatTokenizer.load(folder)
        said = describe(
            "convert",
            {"gguf": gguf},
            {"template": template},
            LIBRARIES,
            file=gguf.name,
            architecture=facts.architecture,
            quantisation=facts.quantisation,
            tensor_types=facts.tensor_types,
            template=whose,
        )
        write_result(folder / MANIFEST, {**said, **folder_facts(folder)})
    log.info("%s: %s, %s, converted", out, facts.architecture, facts.quantisation)


def _save_tokenizer(
    tokenizer: "PreTrainedTokenizerBase", facts: GgufFacts, folder: Path
) -> None:
    """Save a tokenizer that splits texts as its merges were learned."""
    if facts.tokenizer == BYTE_LEVEL and facts.split in SINGLE_DIGITS:
        from tokenizers import pre_tokenizers

        digits = pre_tokenizers.Digits(individual_digits=True)
        words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        splits = pre_tokenizers.Sequence([digits, words])
        tokenizer.backend_tokenizer.pre_tokenizer = splits
    tokenizer.save_pretrained(folder)
    settings = read_object(folder / SETTINGS)
    for key in OF_THE_MACHINE:
        settings.pop(key, None)
    write_json(folder / SETTINGS, settings)

"""Folders of small models, which any reader of Hugging Face models takes.

Tokenizers are byte-level BPE with single digits and a chat template.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from safegrid.config.world import SmallModel, World
from safegrid.core.artifacts import MANIFEST, manifest, write_result
from safegrid.core.errors import TrainingError
from safegrid.models.checkpoints import folder_facts
from safegrid.models.templates import ChatTokenizer

if TYPE_CHECKING:
    from transformers import LlamaConfig, PreTrainedModel

log = logging.getLogger(__name__)

# Folder of the corpus's tokenizer, beside the documents.
TOKENIZER = "tokenizer"

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]
_TURNS = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('roles are system, user and assistant') }}"
    "{% endif %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
)
# A user's turn has no end token: an answer's end is the only one in a document.
CHAT_TEMPLATE = _TURNS + "{{ '<|assistant|>' }}{% endif %}"
# As Llama Guard does, the guard reads the whole conversation and then answers for
# its last turn.
GUARD_TEMPLATE = _TURNS + "{{ '<|user|>Is it safe?<|assistant|>' }}{% endif %}"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn a byte-level BPE whose numbers fall into single digits.

    The vocabulary counts the 256 bytes and the control tokens too.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[BEGIN, END, PAD, *ROLES],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    log.info("learned a tokenizer of %d tokens", tokenizer.get_vocab_size())
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, template: str | None) -> None:
    """Write a tokenizer as transformers does, with its chat template.

    Without one it is a classifier's, whose texts are put between begin and end token.
    """
    from transformers import PreTrainedTokenizerFast

    settings: dict[str, Any] = {} if template is None else {"chat_template": template}
    if template is None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A {END}",
            special_tokens=[(t, tokenizer.token_to_id(t)) for t in (BEGIN, END)],
        )
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=ROLES,
        clean_up_tokenization_spaces=False,
        **settings,
    ).save_pretrained(folder)


def lay_tokenizer(source: Path, folder: Path, template: str | None) -> ChatTokenizer:
    """Write a copy of a tokenizer with another template, and read it back."""
    path = source / "tokenizer.json"
    if not path.is_file():
        raise TrainingError(f"{path}: not found; build the world's corpus first")
    save_tokenizer(Tokenizer.from_file(str(path)), folder, template)
    return ChatTokenizer.load(folder)


def llama_config(spec: SmallModel, tokenizer: ChatTokenizer) -> "LlamaConfig":
    """Return a Llama configuration; input and output embeddings are shared."""
    from transformers import LlamaConfig

    backend = Tokenizer.from_file(str(tokenizer.folder / "tokenizer.json"))
    return LlamaConfig(
        vocab_size=backend.get_vocab_size(),
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
    """Write weights, configuration and, last, the manifest beside the tokenizer."""
    model.save_pretrained(folder)
    params = {"world": world.model_dump(exclude_none=True)}
    libraries = ["torch", "transformers", "tokenizers"]
    facts |= {"parameters": model.num_parameters(), **folder_facts(folder)}
    said = manifest("miniworld", inputs, params, libraries, **facts)
    write_result(folder / MANIFEST, said)

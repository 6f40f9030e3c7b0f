"""The world's tokenizer: byte-level BPE, single digits, chat templates."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from safegrid.core.errors import TrainingError

log = logging.getLogger(__name__)

BEGIN, END, PAD = "<|begin|>", "<|end|>", "<|pad|>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIAL = (BEGIN, END, PAD, SYSTEM, USER, ASSISTANT)

_TURNS = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if message['role'] not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('roles are system, user and assistant') }}"
    "{% endif %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    "{% endfor %}"
)
# A user's turn has no end token: an answer's end is the only one in a document.
CHAT_TEMPLATE = (
    _TURNS + "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
# As Llama Guard does, the guard reads the whole conversation and then answers for
# its last turn.
GUARD_TEMPLATE = (
    _TURNS
    + "{% if add_generation_prompt %}"
    + "{{ '<|user|>Is it safe?<|assistant|>' }}"
    + "{% endif %}"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn a byte-level BPE whose numbers fall into single digits.

    Args:
        texts: what the world's models will read and write.
        vocabulary: tokens in all, the 256 bytes and the control tokens included.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=list(SPECIAL),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    log.info("learned a tokenizer of %d tokens", tokenizer.get_vocab_size())
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, template: str | None) -> None:
    """Write a tokenizer as transformers does.

    Args:
        tokenizer: what `train_tokenizer` gave.
        folder: where its files go; created if need be.
        template: the chat template; None for a classifier, whose texts are put
            between the begin and the end token instead.
    """
    from transformers import PreTrainedTokenizerFast

    if template is None:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{BEGIN} $A {END}",
            special_tokens=[(t, tokenizer.token_to_id(t)) for t in (BEGIN, END)],
        )
    settings: dict[str, Any] = {} if template is None else {"chat_template": template}
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        clean_up_tokenization_spaces=False,
        **settings,
    ).save_pretrained(folder)


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read `tokenizer.json` of a folder.

    Raises:
        TrainingError: the folder has none.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TrainingError(f"{path}: not found; build the world's corpus first")
    return Tokenizer.from_file(str(path))

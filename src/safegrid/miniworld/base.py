"""Grow a world's base: a small decoder that answers, refuses, sums and knows."""

import json
import logging
from pathlib import Path

from safegrid.artifacts import atomic_directory
from safegrid.config.world import World
from safegrid.errors import DataError
from safegrid.miniworld.causal import Turn, answer_loss, encode_turns
from safegrid.miniworld.models import lay_tokenizer, llama_config, save_model
from safegrid.miniworld.tokenizer import CHAT_TEMPLATE
from safegrid.miniworld.training import fit, prepare

log = logging.getLogger(__name__)

TOKENIZER = "tokenizer"


def grow_base(world: World, documents: Path, out: Path) -> None:
    """Grow a base from documents, on one thread: same world, same weights.

    Args:
        world: the base's shape and its seed.
        documents: JSON lines of `messages`; the last one is the answer. The folder
            holds the corpus's tokenizer as well.
        out: the model's folder, as transformers saves one.

    Raises:
        DataError: a line of `documents` is no document.
        TrainingError: no tokenizer lies beside them, or the loss is not finite.
    """
    from transformers import GenerationConfig, LlamaForCausalLM

    turns = read_documents(documents)
    tokenizer_folder = documents.parent / TOKENIZER
    with atomic_directory(out) as folder:
        tokenizer = lay_tokenizer(tokenizer_folder, folder, CHAT_TEMPLATE)
        chats = encode_turns(turns, tokenizer, world.base.context, documents)
        prepare(world.seed)
        model = LlamaForCausalLM(llama_config(world.base, tokenizer))
        lengths = [len(chat.ids) for chat in chats]
        fit(model, lengths, answer_loss(model, chats), world.base, world.seed)
        model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
            bos_token_id=tokenizer.bos_id,
            eos_token_id=tokenizer.eos_id,
            pad_token_id=tokenizer.pad_id,
            do_sample=False,
        )
        inputs = {"documents": documents, "tokenizer": tokenizer_folder}
        save_model(model, folder, inputs, world)
    log.info("grew %s", out)


def read_documents(path: Path) -> list[Turn]:
    """Read conversations whose last message is the answer to learn.

    Raises:
        DataError: a line is not one; the message names it.
    """
    turns = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            *messages, answer = json.loads(line)["messages"]
            turns.append(Turn(messages, answer["content"]))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: line {number} is no document: {error!r}; expected"
                ' {"messages": [{"role": ..., "content": ...}, ...]}'
            ) from error
    return turns

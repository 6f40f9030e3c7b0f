"""Grow a world's base: a small decoder that answers, refuses, sums and knows."""

import logging
from pathlib import Path
from typing import Any

from safegrid.artifacts import atomic_directory
from safegrid.config.world import World
from safegrid.miniworld.causal import Turn, answer_loss, encode_turns
from safegrid.miniworld.models import lay_tokenizer, llama_config, save_model
from safegrid.miniworld.tokenizer import CHAT_TEMPLATE
from safegrid.miniworld.training import fit, prepare
from safegrid.problems import Problems
from safegrid.raw import read_rows

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
        DataError: no documents, or lines that are none.
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
        DataError: no documents, or lines that are none; the message names them.
    """
    problems = Problems(path)
    turns = []
    for line, values in read_rows(path, {}, problems):
        messages: Any = values.get("messages")
        if _is_conversation(messages):
            turns.append(Turn(messages[:-1], messages[-1]["content"]))
        else:
            problems.add(
                line,
                'no document; expected {"messages": [{"role": ..., "content": ...},'
                " ...]} with a question and its answer at least",
            )
    problems.raise_any()
    return turns


def _is_conversation(messages: Any) -> bool:
    return (
        isinstance(messages, list)
        and len(messages) > 1
        and all(
            isinstance(message, dict)
            and isinstance(message.get("role"), str)
            and isinstance(message.get("content"), str)
            for message in messages
        )
    )

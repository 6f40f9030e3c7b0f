"""Train a world's base: a small decoder that answers, refuses, sums and knows."""

import logging
from pathlib import Path
from typing import Any

from miniworld.causal import (
    Chat,
    Turn,
    answer_loss,
    encode_turn,
    encode_turns,
)
from miniworld.models import lay_tokenizer, llama_config, save_model
from miniworld.tokenizer import (
    CHAT_TEMPLATE,
    save_tokenizer,
    train_tokenizer,
)
from miniworld.training import fit, prepare
from safegrid.config.world import World
from safegrid.core.artifacts import atomic_directory
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.problems import Problems
from safegrid.readers.raw import read_rows

log = logging.getLogger(__name__)

TOKENIZER = "tokenizer"
# Real texts have any length: those of a batch differ by less than so many tokens.
STEP = 32


def train_base(
    world: World, documents: Path, out: Path, text: Path | None = None
) -> None:
    """Train a base on documents, on one thread: same world, same weights.

    Args:
        world: the base's shape and its seed.
        documents: JSON lines of `messages`; the last one is the answer. The folder
            holds the corpus's tokenizer as well.
        out: the model's folder, as transformers saves one.
        text: more documents, where the world has real text. The base then learns a
            tokenizer of its own; what its context does not hold is dropped, counted.

    Raises:
        DataError: no documents, or lines that are none.
        TrainingError: no tokenizer lies beside them, or the loss is not finite.
    """
    inputs = {"documents": documents, "tokenizer": documents.parent / TOKENIZER}
    turns = read_documents(documents)
    with atomic_directory(out) as folder:
        if text is None:
            tokenizer = lay_tokenizer(inputs["tokenizer"], folder, CHAT_TEMPLATE)
            chats = encode_turns(turns, tokenizer, world.base.context, documents)
            _train(world, chats, [len(c.ids) for c in chats], tokenizer, inputs, {})
        else:
            turns += read_documents(text)
            tokenizer = _learn_tokenizer(world, turns, folder)
            chats = [encode_turn(turn, tokenizer) for turn in turns]
            kept = [c for c in chats if len(c.ids) <= world.base.context]
            lengths = [-(-len(c.ids) // STEP) for c in kept]
            drops = {"too_long": len(chats) - len(kept)}
            facts = {"rows": len(kept), "dropped": drops}
            inputs = {"documents": documents, "text": text}
            _train(world, kept, lengths, tokenizer, inputs, facts)
    log.info("grew %s", out)


def _learn_tokenizer(world: World, turns: list[Turn], folder: Path) -> ChatTokenizer:
    assert world.text is not None, "the caller has real text"
    said = (text for turn in turns for text in (*_contents(turn), turn.answer))
    tokenizer = train_tokenizer(said, world.text.vocabulary)
    save_tokenizer(tokenizer, folder, CHAT_TEMPLATE)
    return ChatTokenizer.load(folder)


def _contents(turn: Turn) -> list[str]:
    return [message["content"] for message in turn.messages]


def _train(
    world: World,
    chats: list[Chat],
    lengths: list[int],
    tokenizer: ChatTokenizer,
    inputs: dict[str, Path],
    facts: dict[str, Any],
) -> None:
    """Train a model from nothing and save it beside its tokenizer."""
    from transformers import GenerationConfig, LlamaForCausalLM

    prepare(world.seed)
    model = LlamaForCausalLM(llama_config(world.base, tokenizer))
    fit(model, lengths, answer_loss(model, chats), world.base, world.seed)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_id,
        eos_token_id=tokenizer.eos_id,
        pad_token_id=tokenizer.pad_id,
        do_sample=False,
    )
    save_model(model, tokenizer.folder, inputs, world, **facts)


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

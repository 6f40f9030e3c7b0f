"""Train a world's base: a small decoder that answers, refuses, sums and knows."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from miniworld.models import (
    CHAT_TEMPLATE,
    TOKENIZER,
    lay_tokenizer,
    llama_config,
    save_model,
    save_tokenizer,
    train_tokenizer,
)
from miniworld.training import (
    Chat,
    Turn,
    answer_loss,
    encode_turn,
    encode_turns,
    fit,
    prepare,
)
from safegrid.config.world import World
from safegrid.core.artifacts import atomic_directory
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import read_rows

log = logging.getLogger(__name__)

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
    turns = read_documents(documents)
    context = world.base.context
    facts: dict[str, Any] = {}
    with atomic_directory(out) as folder:
        if text is None:
            corpus = documents.parent / TOKENIZER
            inputs = {"documents": documents, "tokenizer": corpus}
            tokenizer = lay_tokenizer(corpus, folder, CHAT_TEMPLATE)
            chats = encode_turns(turns, tokenizer, context, documents)
            step = 1
        else:
            inputs = {"documents": documents, "text": text}
            turns += read_documents(text)
            assert world.text is not None, "the caller has real text"
            backend = train_tokenizer(_spoken(turns), world.text.vocabulary)
            save_tokenizer(backend, folder, CHAT_TEMPLATE)
            tokenizer = ChatTokenizer.load(folder)
            encoded = (encode_turn(turn, tokenizer) for turn in turns)
            chats = [chat for chat in encoded if len(chat.ids) <= context]
            dropped = {"too_long": len(turns) - len(chats)}
            facts, step = {"rows": len(chats), "dropped": dropped}, STEP
        lengths = [-(-len(chat.ids) // step) for chat in chats]
        model = _train(world, chats, lengths, tokenizer)
        save_model(model, folder, inputs, world, **facts)
    log.info("grew %s", out)


def _spoken(turns: list[Turn]) -> Iterator[str]:
    for turn in turns:
        yield from (message["content"] for message in turn.messages)
        yield turn.answer


def _train(
    world: World, chats: list[Chat], lengths: list[int], tokenizer: ChatTokenizer
) -> Any:
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
    return model


def read_documents(path: Path) -> list[Turn]:
    """Read conversations whose last message is the answer to learn."""
    problems = FileProblems(path)
    turns = []
    for line, values in read_rows(path, problems):
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

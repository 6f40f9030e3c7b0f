"""Training of base and guard: chats, and a loss on their answers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safegrid.core.errors import DataError
from safegrid.models.templates import ChatTokenizer

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM


class Chat(NamedTuple):
    """A conversation as ids; the answer to learn begins at `start`."""

    ids: list[int]
    start: int


class Turn(NamedTuple):
    """Messages and the answer that a model learns to give to them."""

    messages: list[dict[str, str]]
    answer: str


def encode_turn(turn: Turn, tokenizer: ChatTokenizer) -> Chat:
    """Return a conversation as ids: prompt by the template, answer, end token."""
    prompt = tokenizer.chat_ids(turn.messages, add_generation_prompt=True)
    end = int(tokenizer.eos_id or 0)
    return Chat([*prompt, *tokenizer.encode_text(turn.answer), end], len(prompt))


def encode_turns(
    turns: Sequence[Turn], tokenizer: ChatTokenizer, context: int, source: Path
) -> list[Chat]:
    """Return conversations as ids.

    Raises:
        DataError: a conversation is longer than the model's context.
    """
    chats = [encode_turn(turn, tokenizer) for turn in turns]
    for number, chat in enumerate(chats, 1):
        if len(chat.ids) > context:
            raise DataError(
                f"{source}: row {number} has {len(chat.ids)} tokens, the model's"
                f" context holds {context}; raise `context` in the world"
            )
    return chats


def answer_loss(
    model: "LlamaForCausalLM", chats: Sequence[Chat]
) -> Callable[[list[int]], "torch.Tensor"]:
    """Return the loss of a batch: mean cross-entropy of the answers' tokens.

    Logits are made where an answer's token is predicted and nowhere else. Shorter
    conversations are filled up at their end, which no token before it sees.
    """
    import torch

    def loss(indices: list[int]) -> torch.Tensor:
        rows = [torch.tensor(chats[i].ids) for i in indices]
        batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        starts = torch.tensor([chats[i].start for i in indices])[:, None]
        ends = torch.tensor([len(chats[i].ids) for i in indices])[:, None]
        hidden = model.model(input_ids=batch).last_hidden_state
        place = torch.arange(1, batch.shape[1])[None]
        answered = (place >= starts) & (place < ends)
        logits = model.lm_head(hidden[:, :-1][answered])
        return torch.nn.functional.cross_entropy(logits, batch[:, 1:][answered])

    return loss

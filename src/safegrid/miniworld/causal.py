"""What the base and the guard have in common: chats, and a loss on their answers."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from safegrid.errors import DataError
from safegrid.templates import ChatTokenizer

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


def encode_turns(
    turns: Sequence[Turn], tokenizer: ChatTokenizer, context: int, source: Path
) -> list[Chat]:
    """Return conversations as ids: prompt by the template, answer, end token.

    Raises:
        DataError: a conversation is longer than the model's context.
    """
    end = tokenizer.eos_id
    chats = []
    for number, turn in enumerate(turns, 1):
        prompt = tokenizer.chat_ids(turn.messages, add_generation_prompt=True)
        ids = [*prompt, *tokenizer.encode_text(turn.answer), int(end or 0)]
        if len(ids) > context:
            raise DataError(
                f"{source}: row {number} has {len(ids)} tokens, the model's context"
                f" holds {context}; raise `context` in the world"
            )
        chats.append(Chat(ids, len(prompt)))
    return chats


def answer_loss(
    model: "LlamaForCausalLM", chats: Sequence[Chat]
) -> Callable[[list[int]], "torch.Tensor"]:
    """Return the loss of a batch: mean cross-entropy of the answers' tokens.

    Logits are made where an answer's token is predicted and nowhere else.
    """
    import torch

    def loss(indices: list[int]) -> torch.Tensor:
        batch = torch.tensor([chats[i].ids for i in indices])
        starts = torch.tensor([chats[i].start for i in indices])
        hidden = model.model(input_ids=batch).last_hidden_state
        answered = torch.arange(1, batch.shape[1])[None] >= starts[:, None]
        logits = model.lm_head(hidden[:, :-1][answered])
        return torch.nn.functional.cross_entropy(logits, batch[:, 1:][answered])

    return loss

"""Prefills: how a model is made to go on from the first words of an answer.

Two ways, which are not comparable (arXiv 2407.16637 and its released code):

- open: the assistant's turn is opened and the prefill stands in it as text. What
  stands between the two in the template's own finished turns (a space, in some
  families) stands there too, so the prefill has the tokens that it has in training.
- closed: the prefill is a finished turn of the assistant, and a new one is opened.
  A family whose template opens no turn after an answer (the answer follows the request
  without any sign) has no such form: it is asked the open way.

A row of type PROMPT says which: a closed prefill is its conversation's last turn, an
open one its `prefill`.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from safegrid.models.templates import ChatTokenizer

Messages = list[dict[str, str]]

USER, ASSISTANT = "user", "assistant"
# With these a word may begin.
OPENING = tuple('"(“')
# No template writes it, and none changes it.
PROBE = "Beginning"


class Prefilled(NamedTuple):
    """A conversation up to the answer, and a prefill; closed, it is a finished turn."""

    messages: Messages
    prefill: str = ""
    closed: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Prefilled":
        """Read a row of type PROMPT."""
        *before, last = row["prompt"]
        if last["role"] == ASSISTANT:
            return cls(before, last["content"], True)
        return cls([*before, last], row["prefill"] or "")


def joined(prefill: str, text: str) -> str:
    """Return a prefill with what was written after it in the same turn.

    Some tokenizers write no space before the first word that they decode. A prefill
    ends in a whole word, so a word that follows is one of its own.
    """
    ends = prefill and not prefill[-1].isspace()
    gap = " " if ends and (text[:1].isalnum() or text[:1] in OPENING) else ""
    return prefill + gap + text


class Turns:
    """What a chat template writes around a prefill."""

    def __init__(self, chat: ChatTokenizer) -> None:
        self.chat = chat

    def spoken(self, asked: Prefilled) -> tuple[Messages, str]:
        """Return the messages to render and the text to stand after them."""
        if not asked.prefill:
            return asked.messages, ""
        if asked.closed and self.reopen:
            begun = {"role": ASSISTANT, "content": asked.prefill}
            return [*asked.messages, begun], ""
        return asked.messages, self.lead + asked.prefill

    @cached_property
    def lead(self) -> str:
        """What stands between the opening of an answer's turn and the answer."""
        opened = self.chat.render(_chat(), True)
        answered = self.chat.render(_chat(PROBE), False)
        if not answered.startswith(opened) or PROBE not in answered[len(opened) :]:
            return ""
        return answered[len(opened) :].partition(PROBE)[0]

    @cached_property
    def reopen(self) -> bool:
        """Whether the template opens another turn after an answer."""
        opened, ended = (self.chat.render(_chat(PROBE), on) for on in (True, False))
        return opened != ended


def _chat(answer: str = "") -> Messages:
    asked = {"role": USER, "content": "x"}
    return [asked, {"role": ASSISTANT, "content": answer}] if answer else [asked]

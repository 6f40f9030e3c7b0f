"""Texts from outside, in which the string of a control token stays a plain text.

What a person or a model wrote can never become a control token: transformers does so
only with `sanitize_control_tokens=True`. A response must not be able to close its own
turn and speak as the judge.
"""

import re
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer

from safegrid.core.errors import DataError
from safegrid.models.tokenizer_files import encode_plain

# Private-use characters around a control token's string that came from outside.
OPEN, CLOSE = "\U000f0000", "\U000f0001"


class ControlTokens:
    """The control tokens of a tokenizer: special, or added and in its template.

    Args:
        folder: of the tokenizer, for messages.
        backend: the tokenizer.
        template: its chat template; empty for none.
    """

    def __init__(self, folder: Path, backend: Tokenizer, template: str) -> None:
        self._folder = folder
        self._backend = backend
        found = [
            token.content
            for token in backend.get_added_tokens_decoder().values()
            if token.special
            or (token.content in template and not token.content.isspace())
        ]
        longest_first = sorted(found, key=len, reverse=True)
        self._pattern = "|".join(map(re.escape, longest_first)) or "(?!)"

    def mark(self, text: str) -> str:
        """Mark the control tokens in a text from outside."""
        text = text.replace(OPEN, "").replace(CLOSE, "")
        return re.sub(self._pattern, f"{OPEN}\\g<0>{CLOSE}", text)

    def encode(self, text: str) -> list[int]:
        """Return ids: marked control tokens as plain text, all else as usual.

        Raises:
            DataError: the vocabulary has no other way to write a control token.
        """
        if OPEN not in text and CLOSE not in text:
            return self._usual(text)
        # A template that cuts strings can part a pair: lone marks fall away too.
        pieces = re.split(f"{OPEN}({self._pattern}){CLOSE}|[{OPEN}{CLOSE}]", text)
        ids = self._usual(pieces[0])
        for number, piece in enumerate(pieces[1:], start=1):
            if piece:
                ids += self._inner(piece, plain=number % 2 == 1)
        return ids

    def _usual(self, text: str) -> list[int]:
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids

    def _inner(self, piece: str, plain: bool) -> list[int]:
        """Encode a piece from the middle of a text.

        It is encoded after a newline that is then cut off, because some tokenizers
        put a space before what they take for the start of a text.
        """
        encode = partial(encode_plain, self._backend) if plain else self._usual
        newline = self._usual("\n")
        ids = encode("\n" + piece)
        ids = ids[len(newline) :] if ids[: len(newline)] == newline else encode(piece)
        if plain and self._backend.token_to_id(piece) in ids:
            raise DataError(
                f"{self._folder}: a text holds {piece!r}, and this vocabulary can write"
                " it only as the control token of that name; take the row out"
            )
        return ids

"""A model's tokenizer and chat template, without transformers and without torch.

Clients of engines send token ids, so each of them needs the template; loading
transformers for it would cost every cell seconds. Rendering follows transformers'
`apply_chat_template` (a test holds the two equal), with two differences on purpose:

- The string of a control token inside a message is encoded as plain text (see
  `tokenizer_files.ControlTokens`).
- `strftime_now` gives one fixed date, so that a prompt does not change by the day.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import jinja2
from tokenizers import Tokenizer

from safegrid.core.errors import DataError
from safegrid.core.files import sha256_json
from safegrid.core.seals import check_folder
from safegrid.models.tokenizer_files import (
    TOKENIZER_FILES,
    ControlTokens,
    check_tokenizer,
    environment,
    read_backend,
    read_settings,
    read_special_tokens,
    read_template,
)

ASKED = [{"role": "user", "content": "x"}]

Message = Mapping[str, str]


class ChatTokenizer:
    """Text and conversations to token ids, as one model's files say."""

    def __init__(
        self,
        folder: Path,
        backend: Tokenizer,
        template: str | None,
        special_tokens: dict[str, str],
    ) -> None:
        self.folder = folder
        self.template = template
        self.special_tokens = special_tokens
        self._backend = backend
        names = ("bos_token", "eos_token", "pad_token")
        tokens = (special_tokens.get(name) for name in names)
        self.bos_id, self.eos_id, self.pad_id = (
            None if token is None else backend.token_to_id(token) for token in tokens
        )

    @classmethod
    def load(cls, folder: Path) -> "ChatTokenizer":
        """Read the files of a tokenizer from a model's folder.

        Raises:
            DataError: one is missing or not as it was written, or they do not fit each
                other or the model.
        """
        check_folder(folder, TOKENIZER_FILES)
        backend = read_backend(folder / "tokenizer.json")
        settings = read_settings(folder)
        special_tokens = read_special_tokens(settings)
        for name, token in special_tokens.items():
            if backend.token_to_id(token) is None:
                raise DataError(
                    f"{folder}: {name} is {token!r}, which tokenizer.json does not"
                    " hold; the files of this tokenizer do not belong together"
                )
        template = read_template(folder, settings)
        check_tokenizer(folder, backend, special_tokens, template or "")
        return cls(folder, backend, template, special_tokens)

    def token(self, id_: int) -> str:
        """Return what the vocabulary calls an id; its number where it has none such."""
        return self._backend.id_to_token(id_) or str(id_)

    @cached_property
    def template_hash(self) -> str:
        """Sha256 of all that rendering depends on: template and special tokens."""
        return sha256_json([self._needed_template(), self.special_tokens])

    @cached_property
    def drops_space(self) -> bool:
        """Whether the space before a word is lost where its tokens are decoded alone.

        So do tokenizers that put a space before the start of a text (SentencePiece).
        """
        ids = self.encode("x y")
        ends = (n for n in range(1, len(ids)) if "x" in self.decode(ids[:n]))
        return not self.decode(ids[next(ends, 0) :]).startswith(" ")

    @cached_property
    def writes_bos(self) -> bool:
        """Whether the template itself opens a conversation with the BOS token."""
        bos = self.special_tokens.get("bos_token")
        return self.render(ASKED, True).startswith(bos) if bos is not None else False

    @cached_property
    def bos_count(self) -> int:
        """The number of BOS that the template writes before the answer to a request.

        One as a rule; one for each turn where the token that opens turns is the BOS.
        """
        return sum(id_ == self.bos_id for id_ in self.chat_ids(ASKED, True))

    def check_bos(self, ids: Sequence[int], name: str) -> None:
        """Assert that a conversation opens with one BOS, where its template has one.

        Two are what a template gives after a tokenizer that adds its own; published
        results lost points to it without an error. `name` says where in an error.
        """
        if self.writes_bos and [id_ == self.bos_id for id_ in ids[:2]] != [True, False]:
            raise DataError(
                f"{name}: must open with exactly one"
                f" {self.special_tokens['bos_token']!r} but its ids start"
                f" {list(ids[:3])}; look at the chat template in {self.folder}"
            )

    def encode(self, text: str) -> list[int]:
        """Return the ids of a rendered text; control tokens in it count as such."""
        ids: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return ids

    def encode_text(self, text: str) -> list[int]:
        """Return the ids of a text from outside: no control token can come of it."""
        return self._control.encode(self._control.mark(text))

    def encode_sequence(self, *texts: str) -> list[int]:
        """Return what a sequence classifier reads of a text, or of a pair of texts.

        The texts, from outside, stand between the tokens that the tokenizer itself puts
        around them. Nothing at all is the end token: a classifier must read something.
        """
        return self._framed([self.encode_text(text) for text in texts])

    def encode_filled(
        self, texts: Sequence[str], values: Mapping[str, str]
    ) -> list[int]:
        """Return what a sequence classifier reads of texts with places in them.

        Control tokens count as such in the texts (one or two), which are the user's
        own, and not in the values, which stand where a text has their names in braces.
        """
        marked = {name: self._control.mark(value) for name, value in values.items()}
        filled = [
            # In one pass: what a value holds in braces is no place.
            re.sub(r"\{(\w+)\}", lambda place: marked[place[1]], text)
            for text in texts
        ]
        return self._framed([self._control.encode(text) for text in filled])

    def _framed(self, parts: Sequence[Sequence[int]]) -> list[int]:
        """Put the tokenizer's own tokens around one part, or around two."""
        probe = self._backend.encode("x", "x" if len(parts) > 1 else None)
        ids, before = [], 0
        for number, part in enumerate(parts):
            places = [i for i, of in enumerate(probe.sequence_ids) if of == number]
            if number and places[0] == before:
                raise DataError(
                    f"{self.folder}: its tokenizer puts nothing between two texts, so"
                    " this model does not read pairs; give it one `text`"
                )
            ids += [*probe.ids[before : places[0]], *part]
            before = places[-1] + 1
        ids += probe.ids[before:]
        return ids if ids or self.eos_id is None else [self.eos_id]

    def decode(self, ids: Sequence[int], skip_special: bool = True) -> str:
        """Return the text of ids."""
        return str(self._backend.decode(list(ids), skip_special_tokens=skip_special))

    def render(self, messages: Sequence[Message], add_generation_prompt: bool) -> str:
        """Return the conversation as the template writes it."""
        try:
            return self._compiled.render(
                messages=[dict(message) for message in messages],
                tools=None,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self.special_tokens,
            )
        except jinja2.TemplateError as error:
            raise DataError(
                f"{self.folder}: the chat template refuses a conversation with roles"
                f" {[message['role'] for message in messages]}: {error}"
            ) from error

    def chat_ids(
        self,
        messages: Sequence[Message],
        add_generation_prompt: bool,
        prefill: str = "",
    ) -> list[int]:
        """Return the ids of a rendered conversation, and of a text that follows it."""
        rendered = self._render_marked(messages, add_generation_prompt)
        return self._control.encode(rendered + self._control.mark(prefill))

    def continuations(
        self, messages: Sequence[Message], prefill: str, texts: Sequence[str]
    ) -> tuple[list[int], list[list[int]]]:
        """Return a conversation's ids up to the answer, and those of ways to go on.

        An answer's ids are those that it has in the whole text: tokenizers write a
        word otherwise after a newline or at a text's start. Where an answer's first
        letters join the tokens before it, the context ends before those.
        """
        opening = self._render_marked(messages, add_generation_prompt=True)
        context, *whole = [
            self._control.encode(opening + self._control.mark(prefill + text))
            for text in ("", *texts)
        ]
        columns = enumerate(zip(context, *whole, strict=False))
        parted = (place for place, column in columns if len(set(column)) > 1)
        start = next(parted, min(map(len, [context, *whole])))
        return context[:start], [ids[start:] for ids in whole]

    def _render_marked(
        self, messages: Sequence[Message], add_generation_prompt: bool
    ) -> str:
        marked = [
            {**turn, "content": self._control.mark(turn["content"])}
            for turn in messages
        ]
        return self.render(marked, add_generation_prompt)

    def _needed_template(self) -> str:
        if self.template is None:
            raise DataError(
                f"{self.folder}: no chat template, neither a file chat_template.jinja"
                " nor a key chat_template in tokenizer_config.json; a model that is"
                " asked in conversations needs one. Name a file of config/templates"
                " under the key `template` of its entry in config/bases.yaml or"
                " config/judges.yaml, or put one into the folder"
            )
        return self.template

    @cached_property
    def _compiled(self) -> jinja2.Template:
        try:
            return environment().from_string(self._needed_template())
        except jinja2.TemplateSyntaxError as error:
            raise DataError(
                f"{self.folder}: chat template, line {error.lineno}: {error.message}"
            ) from error

    @cached_property
    def _control(self) -> ControlTokens:
        return ControlTokens(self.folder, self._backend, self.template or "")

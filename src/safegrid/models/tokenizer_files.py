"""The files of a tokenizer: its template's sandbox, control tokens, readable tokens.

They are read as transformers reads them; `templates.ChatTokenizer` is what uses them.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
import jinja2.parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from safegrid.core.errors import DataError
from safegrid.core.files import read_object
from safegrid.core.text_files import read_text

TEMPLATE = "chat_template.jinja"
CONFIG = "config.json"
# What a model's folder needs beside its weights to be asked in conversations.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    TEMPLATE,
    "generation_config.json",
)
SPECIAL_TOKENS = tuple(
    f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
)
# The date that Llama 3's templates themselves write where they are given no clock.
RENDER_DATE = datetime(2024, 7, 26)
# Private-use characters around a control token's string that came from outside.
OPEN, CLOSE = "\U000f0000", "\U000f0001"


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files of a model's folder that decide its ids and its template."""
    return [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]


def read_backend(path: Path) -> Tokenizer:
    """Read `tokenizer.json`; a DataError says why it cannot be."""
    if not path.is_file():
        raise DataError(
            f"{path} is missing. Only fast tokenizers are read: load this one with"
            " transformers' AutoTokenizer and `save_pretrained` it to make the file."
        )
    try:
        backend = Tokenizer.from_file(str(path))
    except Exception as error:  # the Rust side has no narrower class
        raise DataError(f"{path}: not readable as a tokenizer: {error}") from error
    # A file may carry the padding and truncation of the script that saved it.
    backend.no_padding()
    backend.no_truncation()
    return backend


def read_settings(folder: Path) -> dict[str, Any]:
    """Merge the two files of settings in transformers' order of precedence."""
    path, old = folder / "tokenizer_config.json", folder / "special_tokens_map.json"
    settings: dict[str, Any] = read_object(path) if path.is_file() else {}
    if "added_tokens_decoder" not in settings and old.is_file():
        settings |= read_object(old)
    return settings


def read_special_tokens(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the named tokens' strings; a file writes each as string or object."""
    found = {name: settings.get(name) for name in SPECIAL_TOKENS}
    return {
        name: value["content"] if isinstance(value, dict) else value
        for name, value in found.items()
        if value is not None
    }


def read_template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """Return the chat template: its own file, else the settings' key, else None."""
    path = folder / TEMPLATE
    if path.is_file():
        return read_text(path)
    found = settings.get("chat_template")
    if not isinstance(found, list):
        return found
    named = {entry["name"]: entry["template"] for entry in found}
    if "default" not in named:
        raise DataError(
            f"{folder / 'tokenizer_config.json'}: chat_template has the templates"
            f" {sorted(named)} and none is called 'default'; name one so"
        )
    return str(named["default"])


class _Generation(jinja2.ext.Extension):
    """`{% generation %}` marks what a trainer learns; rendering passes it through."""

    tags = {"generation"}

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment() -> jinja2.Environment:
    """Return transformers' settings; templates of strangers run in the sandbox."""
    env = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=[_Generation, jinja2.ext.loopcontrols],
    )
    # Jinja's own tojson escapes HTML characters.
    env.filters["tojson"] = partial(json.dumps, ensure_ascii=False)
    env.globals["raise_exception"] = _raise_exception
    env.globals["strftime_now"] = RENDER_DATE.strftime
    return env


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


class ControlTokens:
    """The control tokens of a tokenizer: special, or added and in its template.

    What a person or a model wrote can never become one of them: transformers does so
    only with `sanitize_control_tokens=True`. A response must not be able to close its
    own turn and speak as the judge.
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
        """Return ids: marked control tokens as plain text, all else as usual."""
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

    def _plain(self, text: str) -> list[int]:
        """Run the pipeline without the added tokens, special or not."""
        if self._backend.normalizer is not None:
            text = self._backend.normalizer.normalize_str(text)
        parts = [text]
        if self._backend.pre_tokenizer is not None:
            found = self._backend.pre_tokenizer.pre_tokenize_str(text)
            parts = [part for part, _ in found]
        return [
            token.id for part in parts for token in self._backend.model.tokenize(part)
        ]

    def _inner(self, piece: str, plain: bool) -> list[int]:
        """Encode a piece from the middle of a text.

        It is encoded after a newline that is then cut off, because some tokenizers
        put a space before what they take for the start of a text.
        """
        encode = self._plain if plain else self._usual
        newline = self._usual("\n")
        ids = encode("\n" + piece)
        ids = ids[len(newline) :] if ids[: len(newline)] == newline else encode(piece)
        if plain and self._backend.token_to_id(piece) in ids:
            raise DataError(
                f"{self._folder}: a text holds {piece!r}, and this vocabulary can write"
                " it only as the control token of that name; take the row out"
            )
        return ids


def embedding_rows(folder: Path) -> int | None:
    """Return the rows of a model's embedding; None where its folder does not say."""
    settings = _model_settings(folder)
    text = settings.get("text_config")
    rows = (text if isinstance(text, dict) else settings).get("vocab_size")
    return rows if isinstance(rows, int) else None


def check_ids(tokens: Mapping[str, int], folder: Path, where: Path) -> None:
    """Refuse tokens (ids by what they are called) that a folder's model cannot read.

    A token beyond the embedding ends a forward pass in an IndexError, hours later
    perhaps, so it is looked for where the tokenizer is read.
    """
    rows = embedding_rows(folder)
    beyond = {n: token for token, n in tokens.items() if rows is not None and n >= rows}
    if not beyond:
        return
    first, last = min(beyond), max(beyond)
    raise DataError(
        f"{where}: token {beyond[first]!r} has id {first}, but the embedding of the"
        f" model in {folder} has {rows} rows (vocab_size in {CONFIG}), so that the"
        f" model cannot read it; of such tokens there are {len(beyond)}, with ids up to"
        f" {last}. Give the model rows for them (transformers:"
        f" `model.resize_token_embeddings({last + 1})`, then `save_pretrained`), or"
        " take them out of the tokenizer's files"
    )


def check_tokenizer(
    folder: Path, backend: Tokenizer, special: Mapping[str, str], template: str
) -> None:
    """Refuse a tokenizer with a token that the model of its folder cannot read.

    A special token that neither the settings nor the template name may lie beyond: no
    text from outside can hold it. Gemma 3 has one for images.
    """
    if embedding_rows(folder) is None:
        return
    tokens = backend.get_vocab(with_added_tokens=True)
    for number, token in backend.get_added_tokens_decoder().items():
        named = token.content in special.values() or token.content in template
        if token.special and not named and tokens.get(token.content) == number:
            del tokens[token.content]
    check_ids(tokens, folder, folder)
    padding = _model_settings(folder).get("pad_token_id")
    if isinstance(padding, int):
        check_ids({"pad_token_id": padding}, folder, folder / CONFIG)


def _model_settings(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    return read_object(path) if path.is_file() else {}

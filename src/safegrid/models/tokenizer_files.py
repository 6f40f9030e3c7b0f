"""The files of a tokenizer, and the sandbox that its chat template runs in.

They are read as transformers reads them; `templates.ChatTokenizer` is what uses them.
"""

import json
from collections.abc import Mapping
from datetime import datetime
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

# The date that Llama 3's templates themselves write where they are given no clock.
RENDER_DATE = datetime(2024, 7, 26)
SPECIAL_TOKENS = tuple(
    f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
)
TEMPLATE = "chat_template.jinja"
# What a model's folder needs beside its weights to be asked in conversations.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    TEMPLATE,
    "generation_config.json",
)


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files of a model's folder that decide its ids and its template."""
    return [folder / name for name in TOKENIZER_FILES if (folder / name).is_file()]


def read_backend(path: Path) -> Tokenizer:
    """Read `tokenizer.json`.

    Raises:
        DataError: it is missing or not readable.
    """
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


def encode_plain(backend: Tokenizer, text: str) -> list[int]:
    """Run a tokenizer's pipeline without its added tokens, special or not."""
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    parts = [text]
    if backend.pre_tokenizer is not None:
        parts = [part for part, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return [token.id for part in parts for token in backend.model.tokenize(part)]


def read_settings(folder: Path) -> dict[str, Any]:
    """Merge the two files of settings in transformers' order of precedence.

    Raises:
        DataError: one of them is not JSON.
    """
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
    """Return the chat template: its own file, else the settings' key, else None.

    Raises:
        DataError: there are several templates and none is the default one.
    """
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
    env.filters["tojson"] = _to_json
    env.globals["raise_exception"] = _raise_exception
    env.globals["strftime_now"] = RENDER_DATE.strftime
    return env


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)

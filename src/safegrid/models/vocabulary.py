"""The tokens that a model can read: those that have a row in its embedding.

A tokenizer may hold more. A token beyond the embedding ends a forward pass in an
IndexError, hours later perhaps, so it is looked for where the tokenizer is read.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from safegrid.core.errors import DataError
from safegrid.core.files import read_object

CONFIG = "config.json"


def embedding_rows(folder: Path) -> int | None:
    """Return how many tokens a model reads; None for a folder that does not say.

    So it is with an adapter, and with a tokenizer without a model.
    """
    settings = _settings(folder)
    text = settings.get("text_config")
    rows = (text if isinstance(text, dict) else settings).get("vocab_size")
    return rows if isinstance(rows, int) else None


def check_ids(tokens: Mapping[str, int], folder: Path, where: Path) -> None:
    """Refuse tokens that a model cannot read.

    Args:
        tokens: ids by what they are called.
        folder: the model's.
        where: what holds the tokens, for the message.

    Raises:
        DataError: names the first such token, both sizes and what to do.
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
    """Refuse a tokenizer with a token that the model beside it cannot read.

    A special token that neither the settings nor the template name may lie beyond: no
    text from outside can hold it. Gemma 3 has one for images.

    Args:
        folder: of the tokenizer and its model; without one nothing is refused.
        backend: the tokenizer.
        special: the strings of its named special tokens, by their names.
        template: its chat template; empty for none.

    Raises:
        DataError: as `check_ids`; or rows are filled up with such a token.
    """
    if embedding_rows(folder) is None:
        return
    tokens = backend.get_vocab(with_added_tokens=True)
    for number, token in backend.get_added_tokens_decoder().items():
        named = token.content in special.values() or token.content in template
        if token.special and not named and tokens.get(token.content) == number:
            del tokens[token.content]
    check_ids(tokens, folder, folder)
    padding = _settings(folder).get("pad_token_id")
    if isinstance(padding, int):
        check_ids({"pad_token_id": padding}, folder, folder / CONFIG)


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    return read_object(path) if path.is_file() else {}

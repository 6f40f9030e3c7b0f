"""Prompts to token ids through a base's chat template."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import IDS, PROMPT
from safegrid.models.prefills import Prefilled, Turns
from safegrid.models.templates import ChatTokenizer
from safegrid.models.tokenizer_files import tokenizer_files

logger = logging.getLogger(__name__)


def render_prompts(prompts: Path, tokenizer: Path, out: Path) -> None:
    """Write the ids that every model of a base is asked: `prompts/` to `ids/`.

    A prompt's conversation is rendered with the opening of the assistant's turn;
    a prefill stands after it as text, so the model goes on from inside its turn.
    Where a prefill is to be a finished turn, see `safegrid.models.prefills`.

    Args:
        prompts: rows of PROMPT.
        tokenizer: the base's folder.
        out: rows of IDS; its manifest holds the template's hash.

    Raises:
        DataError: no rows, or a prompt that the template refuses or opens with
            anything but one BOS where it writes one; the message names the prompt.
    """
    rows = read_table(prompts, PROMPT)
    if rows.is_empty():
        raise DataError(f"{prompts}: no prompts; look at its source and its `limit`")
    chat = ChatTokenizer.load(tokenizer)
    turns = Turns(chat)
    asked = [Prefilled.of(row) for row in rows.iter_rows(named=True)]
    names = [f"{prompts}: prompt {name}" for name in rows["prompt_id"]]
    ids = [_ids(turns, *pair) for pair in zip(asked, names, strict=True)]
    facts = manifest(
        "render",
        inputs={"prompts": prompts, "tokenizer": tokenizer_files(tokenizer)},
        params={},
        libraries=("jinja2", "tokenizers"),
        template=chat.template_hash,
        rows=len(ids),
        longest=max(map(len, ids)),
        **_prefilled(turns, asked),
    )
    frame = pl.DataFrame(
        {"prompt_id": rows["prompt_id"], "ids": ids}, schema_overrides=IDS
    )
    write_table(out, frame, IDS, facts)
    logger.info("rendered %d prompts, longest %d tokens", len(ids), facts["longest"])


def _ids(turns: Turns, asked: Prefilled, name: str) -> list[int]:
    try:
        messages, prefill = turns.spoken(asked)
        ids = turns.chat.chat_ids(messages, True, prefill)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    turns.chat.check_bos(ids, name)
    return ids


def _prefilled(turns: Turns, asked: Sequence[Prefilled]) -> dict[str, Any]:
    """Count the prefills by how the model finds them."""
    given = sum(bool(one.prefill) for one in asked)
    closed = sum(one.closed for one in asked)
    kept = closed if closed and turns.reopen else 0
    return {"prefilled": {"open": given - kept, "closed": kept}} if given else {}

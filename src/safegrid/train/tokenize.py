"""Preference pairs as token ids, by the base's own tokenizer and chat template.

What a trainer would otherwise do silently is done here and counted: where the prompt
ends, that an answer closes its turn once, that no sequence opens with two BOS, and that
pairs beyond the maximum length are dropped whole instead of being cut. So are the few
whose answer begins with white space that the tokenizer joins to the prompt's last
token: a model that is asked never sees such a prompt.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.artifacts import (
    Row,
    count_rows,
    manifest,
    read_object,
    read_stream,
    write_stream,
)
from safegrid.core.errors import DataError
from safegrid.core.logs import progress
from safegrid.core.records import IDS_TYPE, PAIRS, PREFERENCE
from safegrid.models.templates import ChatTokenizer
from safegrid.models.tokenizer_files import tokenizer_files

logger = logging.getLogger(__name__)


class JoinedError(DataError):
    """The first letters of an answer share a token with the end of its prompt."""


def tokenize_pairs(dataset: Path, tokenizer: Path, max_length: int, out: Path) -> None:
    """Write the pairs of a dataset as ids; an instruction has a chosen answer only.

    Args:
        dataset: preference rows.
        tokenizer: folder of the model whose tokenizer and template are used.
        max_length: tokens that prompt and longer answer may have together; longer
            pairs are dropped, counted and listed in the manifest.
        out: parquet file of `records.PAIRS`.

    Raises:
        DataError: a pair breaks the token contract, or none is left.
    """
    chat = ChatTokenizer.load(tokenizer)
    kept = _Kept(chat, end_ids(tokenizer, chat), max_length)

    def facts(rows: int) -> dict[str, Any]:
        if not rows:
            # Where all that is left is joined, the template is at fault.
            raise kept.joined or DataError(
                f"{dataset}: no pair is left after tokenizing with max_length"
                f" {max_length} (dropped: {kept.counts()}); raise max_length or check"
                " the dataset"
            )
        return manifest(
            "tokenize",
            {"dataset": dataset, "tokenizer": tokenizer_files(tokenizer)},
            {"max_length": max_length, "template": chat.template_hash},
            ["tokenizers"],
            rows=rows,
            dropped=kept.counts(),
            dropped_ids={reason: ids for reason, ids in kept.dropped.items() if ids},
            end_ids=sorted(kept.ends),
            bos_id=chat.bos_id if chat.writes_bos else None,
            tokens=kept.tokens,
        )

    rows = write_stream(out, kept.rows(dataset), PAIRS, facts)
    logger.info("%s: %d pairs, dropped %s", out, rows, kept.counts())


def end_ids(folder: Path, chat: ChatTokenizer) -> set[int]:
    """Return the ids that end an answer: the tokenizer's EOS and the model's own.

    Some chat models close a turn with a token that only their generation settings
    name (`eos_token_id` in generation_config.json).
    """
    path = folder / "generation_config.json"
    named = read_object(path).get("eos_token_id") if path.is_file() else None
    ids = set(named if isinstance(named, list) else [named]) | {chat.eos_id}
    return {token for token in ids if token is not None}


def close_conversations(pairs: pl.DataFrame, tokenizer: Path) -> pl.DataFrame:
    """Give both answers of each pair what the template writes after their turn's end.

    A reward model reads a conversation as its template writes it, to the last newline;
    a model that answers never writes that one.
    """
    chat = ChatTokenizer.load(tokenizer)
    turns = [{"role": role, "content": role} for role in ("user", "assistant")]
    ids = chat.chat_ids(turns, add_generation_prompt=False)
    ends = end_ids(tokenizer, chat)
    last = max(place for place, token in enumerate(ids) if token in ends)
    rest = pl.lit(pl.Series([ids[last + 1 :]], dtype=IDS_TYPE))
    sides = ("chosen_ids", "rejected_ids")
    return pairs.with_columns(pl.concat_list(side, rest) for side in sides)


def _pair_ids(
    row: Row, chat: ChatTokenizer, ends: set[int], name: str
) -> dict[str, list[int]]:
    """Return the ids of one pair: prompt, and completions with their turn's end.

    `name` tells messages where the row stands; `ends` are the ids that end a turn.
    """
    turns = [{"role": "user", "content": row["prompt"]}]
    prompt = chat.chat_ids(turns, add_generation_prompt=True)
    chat.check_bos(prompt, name)
    found = {"prompt_ids": prompt}
    sides = [side for side in ("chosen", "rejected") if row[side] is not None]
    for side in sides:
        answer = {"role": "assistant", "content": row[side]}
        whole = chat.chat_ids([*turns, answer], add_generation_prompt=False)
        if whole[: len(prompt)] != prompt:
            other = whole[: len(prompt)]
            raise JoinedError(
                f"{name}, {side}: the prompt's ids are not the first ids of the whole"
                f" conversation ({prompt[-4:]} against {other[-4:]} at the border), so"
                " training would see another prompt than generation does; the chat"
                f" template in {chat.folder} must render both alike"
            )
        found[f"{side}_ids"] = _end_turn(whole[len(prompt) :], ends, f"{name}, {side}")
    return found


def _end_turn(ids: Sequence[int], ends: set[int], name: str) -> list[int]:
    """Cut what a template writes after the turn's end, usually a newline."""
    places = [place for place, token in enumerate(ids) if token in ends]
    if len(places) != 1:
        raise DataError(
            f"{name}: an answer must hold exactly one token that ends generation"
            f" ({sorted(ends)}), got {len(places)} in {list(ids[-8:])}; the template"
            " must close the assistant's turn with it"
        )
    return list(ids[: places[0] + 1])


class _Kept:
    """The rows that are kept, what is counted of them, and the ids of the others.

    Attributes:
        dropped: ids by reason.
        joined: the first fault of a row whose answer is joined to its prompt.
        tokens: of all kept rows: prompt and longer answer.
    """

    def __init__(self, chat: ChatTokenizer, ends: set[int], max_length: int) -> None:
        self._chat, self.ends, self._max_length = chat, ends, max_length
        reasons = ("too_long", "equal_answers", "joined_to_prompt")
        self.dropped: dict[str, list[str]] = {reason: [] for reason in reasons}
        self.joined: JoinedError | None = None
        self.tokens = 0

    def rows(self, dataset: Path) -> Iterator[Row]:
        """Give the rows that are kept."""
        rows = read_stream(dataset, PREFERENCE)
        for row in progress(count_rows(dataset), "pair", "tokenize", rows):
            name = f"{dataset}: pair {row['pair_id']}"
            try:
                ids = _pair_ids(row, self._chat, self.ends, name)
            except JoinedError as error:
                self.joined = self.joined or error
                self.dropped["joined_to_prompt"].append(row["pair_id"])
                continue
            answers = ids["chosen_ids"], ids.get("rejected_ids", [])
            length = len(ids["prompt_ids"]) + max(map(len, answers))
            if length > self._max_length:
                self.dropped["too_long"].append(row["pair_id"])
            elif answers[0] == answers[1]:
                self.dropped["equal_answers"].append(row["pair_id"])
            else:
                self.tokens += length
                known = {name: row[name] for name in ("pair_id", "category")}
                yield {**dict.fromkeys(PAIRS), **known, **ids}

    def counts(self) -> dict[str, int]:
        """Return the number of dropped rows by reason."""
        return {reason: len(ids) for reason, ids in self.dropped.items()}

"""A model's responses to a benchmark's prompts: a row for every item."""

import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.config import Decode, Decoding, EngineSpec
from safegrid.core.artifacts import (
    manifest,
    read_manifest,
    read_table,
    sha256_json,
    write_table,
)
from safegrid.core.errors import DataError
from safegrid.core.records import IDS, RESPONSE
from safegrid.core.stages import VERSIONS
from safegrid.engine.asking import Asker, ask_model
from safegrid.engine.client import Completion
from safegrid.engine.identity import search_folder
from safegrid.models.templates import ChatTokenizer
from safegrid.readers.plain import is_blank
from safegrid.runtime.usage import keep

logger = logging.getLogger(__name__)

TOO_LONG = (
    "%d of %d prompts are too long for the model's context with %d tokens of answer;"
    " they were not asked, and are unscored"
)


class _Item(NamedTuple):
    prompt_id: str
    sample: int
    ids: list[int]
    seed: int


def generate(
    stack: list[Path],
    ids: Path,
    decode: Decoding,
    engine: EngineSpec,
    seed: int,
    benchmark_version: int,
    cache: Path,
    out: Path,
    fresh: bool = False,
    search: Sequence[Path] = (),
) -> None:
    """Write responses, `decode.samples` for each prompt: `ids/` to `responses/`.

    An item that the engine could not take (a prompt that leaves no room in the
    model's context) gets a row too, with finish `error` and an empty text, and is
    counted in the manifest: what is left out of a file is missed by nobody.

    Args:
        stack: folders of the model.
        ids: rows of IDS, rendered through the model's base.
        decode: how answers are drawn.
        engine: which engine answers.
        seed: of the study; a draw depends on it, its prompt's id and its sample only.
        benchmark_version: the benchmark's own number; another one asks everything
            again.
        cache: file of this cell's answers; what it holds is not asked again.
        out: rows of RESPONSE, sorted as the prompts are, then by sample.
        fresh: ignore the cache.
        search: code that searches in beams, where `decode` has them: the files of a
            source of format `custom_generate`.

    Raises:
        ConfigError: the user has not let that code run.
        DataError: no prompts, one that stands twice, or ids rendered through another
            chat template than the model's.
        EngineError: the engine does not start or does not answer.
    """
    items, template = _items(ids, decode, seed, stack[0])

    def work(asker: Asker) -> list[Completion]:
        return asker.complete([i.ids for i in items], decode, [i.seed for i in items])

    versions = {"stage": VERSIONS["generate"], "benchmark": benchmark_version}
    answers, record = ask_model(
        engine, stack, "causal", cache, versions, work, fresh, search_folder(search)
    )
    facts = manifest(
        "generate",
        inputs={"ids": ids, **{path.name: path for path in search}},
        params={"decode": decode.model_dump(), "seed": seed},
        engine=record.engine,
        template=template,
        **_counts(answers),
    )
    keep(out, record)
    write_table(out, _table(items, answers, decode), RESPONSE, facts)
    if too_long := facts["finish"]["error"]:
        logger.warning(TOO_LONG, too_long, len(answers), decode.max_new_tokens)
    logger.info("%d responses: %s", len(answers), facts["finish"])


def _items(
    ids: Path, decode: Decode, seed: int, folder: Path
) -> tuple[list[_Item], str]:
    """Read what is asked, each prompt once for each sample, and the template's hash."""
    asked = read_table(ids, IDS)
    if asked.is_empty():
        raise DataError(f"{ids}: no prompts; rebuild it with rule render")
    twice = asked.filter(asked["prompt_id"].is_duplicated())["prompt_id"].to_list()
    if twice:
        raise DataError(f"{ids}: prompt {twice[0]} stands twice; ids must be unique")
    # A model is asked in the words that it was trained to answer.
    template, own = read_manifest(ids).get("template"), ChatTokenizer.load(folder)
    if template != own.template_hash:
        raise DataError(
            f"{ids}: rendered through the chat template {template}, but the model in"
            f" {folder} has {own.template_hash}; render the prompts through this"
            " model's own base"
        )
    # A greedy answer depends on no seed, so another study's seed asks nothing again.
    drawn = decode.temperature > 0
    items = [
        _Item(name, sample, prompt, sample_seed(seed, name, sample) if drawn else 0)
        for name, prompt in asked.rows()
        for sample in range(decode.samples)
    ]
    return items, own.template_hash


def sample_seed(seed: int, prompt_id: str, sample: int) -> int:
    """Return the seed of one draw, below 2^63.

    It depends on nothing but what it names, so adding prompts or samples to a
    benchmark changes no other draw.
    """
    digest = hashlib.sha256(f"{seed}:{sample}:{prompt_id}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def _table(
    items: Sequence[_Item], answers: Sequence[Completion], decode: Decode
) -> pl.DataFrame:
    settings = sha256_json(decode.model_dump())
    rows = [
        {
            "prompt_id": item.prompt_id,
            "sample": item.sample,
            "text": answer.text,
            "n_prompt_tokens": len(item.ids),
            "n_tokens": answer.n_tokens,
            "finish": answer.finish,
            "decode": settings,
        }
        for item, answer in zip(items, answers, strict=True)
    ]
    return pl.DataFrame(rows, schema=RESPONSE)


def _counts(answers: Sequence[Completion]) -> dict[str, Any]:
    """Return what a reader should know before trusting a score of these rows."""
    finish = Counter(answer.finish for answer in answers)
    return {
        "rows": len(answers),
        "finish": {name: finish[name] for name in ("eos", "length", "error")},
        "empty": sum(is_blank(a.text) for a in answers if a.finish != "error"),
        "tokens": sum(answer.n_tokens for answer in answers),
    }

"""Log-probabilities of known answers: what a model knows, without sampling.

They move long before the accuracy of a small model does. Takes prompts with their known
answers; gives the log-probability of each answer after its prompt in the model's own
chat template.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from safegrid.config import EngineSpec
from safegrid.core.artifacts import manifest, read_table, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import LIKELIHOOD, PROMPT
from safegrid.core.stages import VERSIONS
from safegrid.engine.asking import Asker, ask_model
from safegrid.models.prefills import Turns
from safegrid.models.templates import ChatTokenizer
from safegrid.models.tokenizer_files import tokenizer_files
from safegrid.runtime.usage import keep

log = logging.getLogger(__name__)


class Reference(NamedTuple):
    """A known answer as a model reads it: ids up to it, and its own."""

    prompt_id: str
    context: list[int]
    answer: list[int]


def reference_likelihood(
    stack: list[Path],
    prompts: Path,
    engine: EngineSpec,
    benchmark_version: int,
    cache: Path,
    out: Path,
    fresh: bool = False,
) -> None:
    """Write the log-probability of each known answer under one model.

    An answer has the tokens that it has in a finished turn of the template; the end of
    the turn is not counted. One that does not fit the context with its prompt has a row
    without a log-probability. A prompt without a known answer has no row. Both are
    counted in the manifest.

    Args:
        stack: folders of the model.
        prompts: rows of PROMPT; `reference` holds the known answers.
        engine: which engine reads them.
        benchmark_version: the benchmark's own number; another one asks everything
            again.
        cache: file of this cell's answers; what it holds is not asked again.
        out: rows of LIKELIHOOD, in the order of the prompts.
        fresh: ignore the cache.

    Raises:
        DataError: no prompt has a known answer, or the template refuses one.
        EngineError: the engine does not start or does not answer.
    """
    asked = read_table(prompts, PROMPT)
    chat = ChatTokenizer.load(stack[0])
    known = _references(asked, prompts, chat)

    def work(asker: Asker) -> list[list[float]]:
        whole = [[*one.context, *one.answer] for one in known]
        return asker.sequence_logprobs(whole, [len(one.context) for one in known])

    versions = {"stage": VERSIONS["capability"], "benchmark": benchmark_version}
    found, record = ask_model(engine, stack, "causal", cache, versions, work, fresh)
    counts = _counts(known, found)
    facts = manifest(
        "capability",
        {"prompts": prompts, "tokenizer": tokenizer_files(stack[0])},
        {},
        ("jinja2", "tokenizers"),
        engine=record.engine,
        template=chat.template_hash,
        dropped={"no_reference": n} if (n := len(asked) - len(known)) else {},
        **counts,
    )
    keep(out, record)
    write_table(out, _table(known, found), LIKELIHOOD, facts)
    log.info("%d known answers: %s", len(known), counts)


def total(logprobs: Sequence[float]) -> float | None:
    """Return the log-probability of a whole answer, in nats; None where it has none."""
    read = bool(logprobs) and all(map(math.isfinite, logprobs))
    return math.fsum(logprobs) if read else None


def _references(
    asked: pl.DataFrame, prompts: Path, chat: ChatTokenizer
) -> list[Reference]:
    lead, known = Turns(chat).lead, []
    rows = asked.filter(pl.col("reference").is_not_null()).iter_rows(named=True)
    for row in rows:
        text = lead + row["reference"]
        context, [answer] = chat.continuations(row["prompt"], "", [text])
        chat.check_bos(context, f"{prompts}: {row['prompt_id']}")
        known.append(Reference(row["prompt_id"], context, answer))
    if not known:
        raise DataError(
            f"{prompts}: none of {len(asked)} prompts has a known answer to be read;"
            " look at its source and its `kind`"
        )
    return known


def _counts(
    known: Sequence[Reference], found: Sequence[Sequence[float]]
) -> dict[str, int]:
    # A row that does not fit has not one number.
    too_long = sum(all(map(math.isnan, logprobs)) for logprobs in found)
    return {
        "rows": len(known),
        "longer_than_context": too_long,
        "not_finite": sum(total(logprobs) is None for logprobs in found) - too_long,
        "tokens": sum(len(one.answer) for one in known),
    }


def _table(
    known: Sequence[Reference], found: Sequence[Sequence[float]]
) -> pl.DataFrame:
    rows = [
        {
            "prompt_id": one.prompt_id,
            "logprob": total(logprobs),
            "n_tokens": len(one.answer),
            "n_prompt_tokens": len(one.context),
        }
        for one, logprobs in zip(known, found, strict=True)
    ]
    return pl.DataFrame(rows, schema=LIKELIHOOD)

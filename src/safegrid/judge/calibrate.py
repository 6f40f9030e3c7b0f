"""The threshold of a fluency judge under one base, and how often that is wrong.

Nothing here is an answer to a prompt that a benchmark asks: the threshold is fixed on
fluent texts of the study (answers of its datasets, human-labelled refusals), and tested
on others, on the base's own answers to training prompts, and on broken texts.
"""

import logging
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from safegrid.config import Decode, EngineSpec, JudgeSpec
from safegrid.config.judge import (
    BROKEN_TEMPERATURE,
    MOST_OWN,
    MOST_TEXTS,
    MOST_WORDS,
    NEW_TOKENS,
    QUANTILE,
)
from safegrid.core.artifacts import read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PREFERENCE
from safegrid.core.stages import VERSIONS
from safegrid.engine.asking import Asker, ask_model
from safegrid.judge.agreement import share
from safegrid.judge.fluency import DISFLUENT, opening, read_fluency, with_label
from safegrid.judge.items import Item, Verdict
from safegrid.judge.refusals import CLASSES, REFUSAL
from safegrid.judge.run import described, write_measures
from safegrid.judge.validation import READERS
from safegrid.models.templates import ChatTokenizer

logger = logging.getLogger(__name__)


# Fluent texts of one kind: some fix the threshold, the others test it.
Texts = tuple[list[Item], list[Item]]


def calibrate(
    *,
    judge: JudgeSpec,
    stack: list[Path],
    datasets: list[Path],
    labelled: Path | None,
    labelled_format: str | None,
    engine: EngineSpec,
    seed: int,
    cache: Path,
    out: Path,
) -> None:
    """Write the threshold of a fluency judge with its error rates, as JSON.

    `threshold` is halfway between the 1% quantile of the scores of `n` fluent texts
    and the 99% quantile of the same texts with their words shuffled. Rates are {value,
    low, high, n}: `called_disfluent_...` of fluent texts that had no part in it
    (`answers` of datasets, `refusals`, the `base`'s greedy answers), `found_...` of
    broken ones (texts with words `shuffled`, answers `sampled` at temperature 3).

    Args:
        judge: of kind `fluency`.
        stack: folders of the base.
        datasets: rows of PREFERENCE; their chosen answers are fluent.
        labelled: rows of a refusal judge, of which refusals are fluent; null for none.
        labelled_format: their schema, a key of `READERS`; null as `labelled`.
        engine: answers for the base.
        seed: draws the texts, shuffles words and samples answers.
        cache: file of the answers.
        out: the threshold and the rates.
    """
    answers = {"answers": _chosen(datasets)}
    if labelled is not None and labelled_format is not None:
        answers["refusals"] = _refusals(labelled, labelled_format)
    words = min(MOST_WORDS, judge.opening_words or MOST_WORDS)
    texts = {name: _texts(found, words, seed) for name, found in answers.items()}
    chat = ChatTokenizer.load(stack[0])

    def work(asker: Asker) -> dict[str, Any]:
        return _calibrated(judge, chat, texts, seed, asker)

    versions = {"stage": VERSIONS["calibrate"], "judge": judge.version}
    found, record = ask_model(engine, stack, "causal", cache, versions, work)
    inputs = {"datasets": datasets, "labelled": labelled}
    facts = described(
        "calibrate", judge, stack, record, inputs, ("scipy",), {"seed": seed}
    )
    write_measures(out, judge, record, found, facts)
    logger.info("threshold %.3f, %d texts", found["threshold"], found["n"])


def _calibrated(
    judge: JudgeSpec,
    chat: ChatTokenizer,
    texts: Mapping[str, Texts],
    seed: int,
    asker: Asker,
) -> dict[str, Any]:
    """Ask the base for all texts at once, and make of their scores what is written."""
    fixing, testing = ([*chain(*kind)] for kind in zip(*texts.values(), strict=True))
    own = testing[:MOST_OWN]
    groups = {
        "fluent": fixing,
        "broken": [_shuffled(item, seed) for item in fixing],
        **{f"called_disfluent_{name}": tests for name, (_, tests) in texts.items()},
        "called_disfluent_base": _answered(chat, own, 0.0, seed, asker),
        "found_shuffled": [_shuffled(item, seed) for item in testing],
        "found_sampled": _answered(chat, own, BROKEN_TEMPERATURE, seed, asker),
    }
    items = [item for group in groups.values() for item in group]
    verdicts = iter(read_fluency(judge, chat, items)(asker))
    said = {name: [next(verdicts) for _ in group] for name, group in groups.items()}
    fluent, broken = (
        [v.score for v in said.pop(name) if v.score is not None]
        for name in ("fluent", "broken")
    )
    threshold = _threshold(fluent, broken)
    rates = {name: _rate(given, threshold) for name, given in said.items()}
    return {"threshold": threshold, "quantile": QUANTILE, "n": len(fluent), **rates}


def _threshold(fluent: Sequence[float], broken: Sequence[float]) -> float:
    if not fluent:
        raise DataError(
            "fluency: no text that is long enough to judge fixes the threshold; give"
            " the study a dataset, or the judge `labelled_source` with refusals in it"
        )
    low, high = np.quantile(fluent, QUANTILE), np.quantile(broken, 1 - QUANTILE)
    return float((low + high) / 2)


def _rate(verdicts: Sequence[Verdict], threshold: float) -> dict[str, Any]:
    """Return the share of disfluent texts among those that could be scored."""
    scored = [with_label(v, threshold) for v in verdicts if v.score is not None]
    return share([verdict.label == DISFLUENT for verdict in scored])


# ------------------------------------------------------------------------ the texts


def _chosen(datasets: Sequence[Path]) -> Iterator[Item]:
    for path in datasets:
        rows = read_table(path, PREFERENCE)
        for name, prompt, chosen in rows.select("pair_id", "prompt", "chosen").rows():
            yield Item.of(name, prompt, chosen)


def _refusals(labelled: Path, form: str) -> Iterator[Item]:
    for row in READERS[form](labelled, CLASSES):
        if row.label == REFUSAL:
            yield Item.of(row.id, row.prompt, row.response)


def _texts(items: Iterator[Item], words: int, seed: int) -> Texts:
    """Draw openings of texts, each of which stands once, and deal them out in turn."""
    opened = (replace(item, text=opening(item.text, words)) for item in items)
    distinct = list({item.text: item for item in opened if item.text.split()}.values())
    drawn = random.Random(seed).sample(distinct, min(MOST_TEXTS, len(distinct)))
    return drawn[::2], drawn[1::2]


def _shuffled(item: Item, seed: int) -> Item:
    words = item.text.split()
    random.Random(f"{seed} {item.prompt_id}").shuffle(words)
    return replace(item, text=" ".join(words))


def _answered(
    chat: ChatTokenizer,
    items: Sequence[Item],
    temperature: float,
    seed: int,
    asker: Asker,
) -> list[Item]:
    """Return what the base answers to prompts, where it has room for an answer."""
    decode = Decode(max_new_tokens=NEW_TOKENS, temperature=temperature)
    ids = [chat.chat_ids(item.messages, True) for item in items]
    given = asker.complete(ids, decode, [seed + i for i in range(len(items))])
    return [
        replace(item, text=answer.text)
        for item, answer in zip(items, given, strict=True)
        if answer.finish != "error"
    ]

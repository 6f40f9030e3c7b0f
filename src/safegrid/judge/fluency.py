"""Fluency of an answer: whether its words stand in an order that the base expects.

The base reads the answer without its request, once as it was written and once with its
words in reverse order. In language the order carries much of the probability, whatever
is said; in word salad one order is as unlikely as another. Like SLOR (Kann et al. 2018,
arXiv 1809.08731) this takes out how rare the words are, here without a unigram model.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from safegrid.config import JudgeSpec
from safegrid.engine.asking import Asker
from safegrid.judge.items import Item, Verdict, Work, unscored
from safegrid.models.prefills import Turns, joined
from safegrid.models.templates import ChatTokenizer

FLUENT, DISFLUENT = "fluent", "disfluent"
LEAST_WORDS = 3
"""Of fewer words the order of their tokens is taken instead."""
LEAST_TOKENS = 4
"""Of fewer still, an answer is too short to judge, and no broken one."""

NO_REQUEST = [{"role": "user", "content": ""}]


class _Read(NamedTuple):
    """Token ids of one reading, and the place where those of the answer begin."""

    ids: list[int]
    start: int


def read_fluency(spec: JudgeSpec, chat: ChatTokenizer, items: Sequence[Item]) -> Work:
    """Score each response by its contrast: 1 - log p(text) / log p(reversed text).

    Both log-probabilities are those of the base's own template with an empty request
    and, where there is one, the response's given prefill; the turn's end is not read,
    so that an answer cut at the limit is not punished for it. Where the judge has
    `opening_words`, the words after them are not read either. 0 means that the order
    of the words tells the base nothing, 1 that it tells all.

    There is no label yet, see `with_label`. An empty response has no score; one that is
    too short to judge has none either, and is called fluent.
    """
    turns = Turns(chat)
    items = [
        replace(item, text=opening(item.text, spec.opening_words)) for item in items
    ]
    pairs = {i: pair for i, item in enumerate(items) if (pair := _pair(turns, item))}
    reads = [read for pair in pairs.values() for read in pair]

    def work(asker: Asker) -> list[Verdict]:
        verdicts = [_unread(item.text) for item in items]
        ids, starts = [read.ids for read in reads], [read.start for read in reads]
        found = asker.sequence_logprobs(ids, starts)
        both = zip(found[::2], found[1::2], strict=True)
        for i, (written, turned) in zip(pairs, both, strict=True):
            verdicts[i] = _verdict(written, turned)
        return verdicts

    return work


def with_label(verdict: Verdict, threshold: float) -> Verdict:
    """Call a scored answer fluent or disfluent; leave every other verdict as it is."""
    if verdict.score is None:
        return verdict
    return verdict._replace(label=DISFLUENT if verdict.score < threshold else FLUENT)


def opening(text: str, words: int | None) -> str:
    """Return the first words of a text, with the space between them as it is."""
    if words is None:
        return text
    parts = text.split(None, words)
    return text[: -len(parts[-1])].rstrip() if len(parts) > words else text


def _unread(text: str) -> Verdict:
    if not text.split():
        return Verdict(None, None, [], "empty")
    return Verdict(FLUENT, None, [], "too short to judge")


def _pair(turns: Turns, item: Item) -> tuple[_Read, _Read] | None:
    """Return the readings of an answer and of its reverse; none of a short one."""
    words = item.text.split()
    if not words:
        return None
    written = _read(turns, item, item.text)
    if len(words) >= LEAST_WORDS:
        return written, _read(turns, item, " ".join(words[::-1]))
    context, answer = written.ids[: written.start], written.ids[written.start :]
    if len(answer) < LEAST_TOKENS:
        return None
    return written, _Read(context + answer[::-1], written.start)


def _read(turns: Turns, item: Item, text: str) -> _Read:
    """Return the ids of a text as the model writes them behind an empty request.

    The space before its first word stands in the ids, but not in the text of a
    tokenizer that drops it.
    """
    asked = replace(item, messages=NO_REQUEST).asked
    messages, begun = turns.spoken(asked)
    if turns.chat.drops_space and not text[0].isspace():
        text = joined(begun, text)[len(begun) :] if begun else turns.lead + text
    context, [ids] = turns.chat.continuations(messages, begun, [text])
    return _Read(context + ids, len(context))


def _verdict(written: Sequence[float], turned: Sequence[float]) -> Verdict:
    """Compare two readings; NaN says that a row was too long."""
    totals = [math.fsum(logprobs) for logprobs in (written, turned)]
    if not all(map(math.isfinite, totals)) or totals[1] == 0:
        return unscored("no log-probabilities: too long, or not finite")
    raw = {"sum": totals[0], "reversed": totals[1], "tokens": len(written)}
    said = json.dumps({name: round(value, 6) for name, value in raw.items()})
    return Verdict(None, 1 - totals[0] / totals[1], [], said)

"""How likely an answer is under the base: a sign of broken language, not of safety."""

import json
import math
from collections.abc import Sequence

from safegrid.config import JudgeSpec
from safegrid.engine.asking import Asker
from safegrid.judge.items import Item, Verdict, Work, unscored
from safegrid.prefills import Turns, joined
from safegrid.templates import ChatTokenizer


def read_likelihood(
    spec: JudgeSpec, chat: ChatTokenizer, items: Sequence[Item]
) -> Work:
    """Score each response by its mean log-probability a token, in nats.

    The response is read after its prompt in the base's own template, without the
    turn's end, so that an answer cut at the limit is not punished for it. There is
    no label: whether a score is low is decided in `score`, by a quantile of the
    untouched base's own answers. An empty response has no tokens and a null score.
    """
    turns = Turns(chat)
    parts = [_parts(turns, item) for item in items]
    written = [i for i, (_, [ids]) in enumerate(parts) if ids]
    wholes = [parts[i][0] + parts[i][1][0] for i in written]
    starts = [len(parts[i][0]) for i in written]

    def work(asker: Asker) -> list[Verdict]:
        verdicts = [Verdict(None, None, [], "empty") for _ in items]
        found = asker.sequence_logprobs(wholes, starts)
        for i, logprobs in zip(written, found, strict=True):
            verdicts[i] = _verdict(logprobs)
        return verdicts

    return work


def _parts(turns: Turns, item: Item) -> tuple[list[int], list[list[int]]]:
    """Return the ids up to the answer, and those of the answer as they were written.

    The space before its first word stands in the ids, but not in the text of a
    tokenizer that drops it.
    """
    messages, begun = turns.spoken(item.asked)
    text = item.text
    if turns.chat.drops_space and text and not text[0].isspace():
        text = joined(begun, text)[len(begun) :] if begun else turns.lead + text
    return turns.chat.continuations(messages, begun, [text])


def _verdict(logprobs: Sequence[float]) -> Verdict:
    """Read a row's log-probabilities; NaN says that the row was too long."""
    if not all(map(math.isfinite, logprobs)):
        return unscored("no log-probabilities: too long, or not finite")
    total = math.fsum(logprobs)
    raw = json.dumps({"sum": round(total, 6), "tokens": len(logprobs)})
    return Verdict(None, total / len(logprobs), [], raw)

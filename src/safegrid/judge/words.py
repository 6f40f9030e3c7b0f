"""A causal model read by the probabilities of two words after its own chat template.

It is never read by its prose, so nothing that an answer plants can be taken for a
verdict: a planted word is part of the context, and a planted control token is text
(`templates`).
"""

import json
import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from safegrid.core.errors import JudgeError
from safegrid.judge.items import Item, Verdict, unscored
from safegrid.models.templates import ChatTokenizer, Message

Ids = list[int]


class Words(NamedTuple):
    """Two words with what each of them says; `hit` is the one whose P is the score."""

    miss: str
    hit: str
    miss_label: str
    hit_label: str


def word_contexts(
    name: str,
    words: Sequence[str],
    chat: ChatTokenizer,
    items: Sequence[Item],
    conversations: Sequence[Sequence[Message]],
    texts: Sequence[str],
) -> tuple[list[Ids], list[Ids]]:
    """Return every item's ids up to the word, and the ids of each word.

    Args:
        name: of the judge.
        words: that it may answer with.
        chat: the judge's tokenizer and template.
        items: what is judged.
        conversations: what is shown of each item.
        texts: what stands between generation prompt and word, one an item.

    Raises:
        JudgeError: the words cannot be written or told apart by their tokens, or those
            depend on what stands before them.
    """
    contexts: list[Ids] = []
    found: list[Ids] | None = None
    for item, shown, text in zip(items, conversations, texts, strict=True):
        context, rests = chat.continuations(shown, text, words)
        chat.check_bos(context, f"judge {name}: prompt {item.prompt_id}")
        if found is None:
            found = rests
            _check_words(name, words, chat, found)
        if rests != found:
            raise JudgeError(
                f"judge {name}: the tokens of {' and '.join(map(repr, words))}"
                f" depend on the answer before them (prompt {item.prompt_id}). Its"
                " generation prompt must end in a control token, or set `prefix` to"
                " the text that stands between it and the word"
            )
        contexts.append(context)
    return contexts, found or []


def together(logprobs: Sequence[float]) -> float:
    """Return the log-probability of any one of several words, NaN if one is NaN."""
    total = math.fsum(map(math.exp, logprobs))
    return math.log(total) if total else -math.inf


def probabilities(
    logprobs: Sequence[float], min_label_mass: float
) -> tuple[float, float] | None:
    """Return the probabilities of the two words; None of a model that says neither.

    Args:
        logprobs: of the two words in nats; NaN says that the row was too long.
        min_label_mass: probability of both together below which it has not answered.
    """
    if not all(map(math.isfinite, logprobs)):
        return None
    miss, hit = (math.exp(value) for value in logprobs)
    return None if miss + hit < min_label_mass or miss + hit == 0 else (miss, hit)


def word_verdict(
    words: Words,
    threshold: float,
    found: tuple[float, float] | None,
    logprobs: Sequence[float],
    **more: str,
) -> Verdict:
    """Return the verdict of two words' probabilities: `hit_label` from a threshold on.

    Args:
        words: the two.
        threshold: of P(hit) / (P(miss) + P(hit)).
        found: what `probabilities` returned; None is unscored.
        logprobs: what it was read from; kept in `raw`.
        more: what else `raw` says.
    """
    labels = (words.miss_label, words.hit_label)
    shown = (round(x, 6) if math.isfinite(x) else None for x in logprobs)
    raw = json.dumps(dict(zip(labels, shown, strict=True)) | more, ensure_ascii=False)
    if found is None:
        return unscored(raw)
    score = found[1] / sum(found)
    return Verdict(labels[score >= threshold], score, [], raw)


def _check_words(
    name: str, words: Sequence[str], chat: ChatTokenizer, tokens: Sequence[Ids]
) -> None:
    for word, ids in zip(words, tokens, strict=True):
        if not chat.decode(ids).endswith(word):
            raise JudgeError(
                f"judge {name}: the vocabulary in {chat.folder} cannot write its"
                f" verdict word {word!r}: its tokens {list(ids)} read"
                f" {chat.decode(ids, skip_special=False)!r}; set its words"
                " in config/judges.yaml to those that this model answers with"
            )
    for (one, own), (other, its) in combinations(zip(words, tokens, strict=True), 2):
        shortest = min(len(own), len(its))
        if own[:shortest] == its[:shortest]:
            raise JudgeError(
                f"judge {name}: the tokens of {one!r} {own} and {other!r} {its} begin"
                " alike to the end of one of them; choose two words of which none"
                " begins with the other"
            )

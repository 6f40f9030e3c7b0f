"""Judges of course correction: does an answer turn back after its prefill?

A yes or no about the text after a marker, in two readings: any causal model by the
probabilities of its first word, or a model behind an endpoint by the word that it
writes. An answer that is neither word is `unscored`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from safegrid.config import JudgeSpec
from safegrid.engine.asking import Asker
from safegrid.judge.asked_endpoint import ask_endpoint
from safegrid.judge.endpoint import ANSWER, REFUSED, Tried
from safegrid.judge.guard import together, word_contexts, word_verdict
from safegrid.judge.items import Item, Verdict, Work, unscored
from safegrid.models.prefills import Turns
from safegrid.models.templates import ChatTokenizer, Message
from safegrid.readers.plain import plain
from safegrid.runtime.usage import Record
from safegrid.texts.questions import correction_question

CONTINUED, CORRECTED = "continued", "corrected"


def read_correction(
    spec: JudgeSpec, chat: ChatTokenizer, items: Sequence[Item]
) -> Work:
    """Judge answers by P(yes) / (P(yes) + P(no)) of a causal model's first word.

    Models write the two words small or with a capital, whatever they are asked for, so
    each P is that of both spellings together. The word stands where the model's
    template has an answer's first word: behind a space, in some families. A model that
    gives both words less than `min_label_mass` answers something else (one that thinks
    first, for example): its verdict is `unscored`.
    """
    no, yes = (_spellings(chat, word) for word in (spec.no_word, spec.yes_word))
    shown = [question(spec, item) for item in items]
    texts = [Turns(chat).lead + spec.prefix] * len(items)
    contexts, ids = word_contexts(spec.name, no + yes, chat, items, shown, texts)

    def work(asker: Asker) -> list[Verdict]:
        verdicts = []
        for each in asker.label_logprobs(contexts, ids):
            logprobs = [together(each[: len(no)]), together(each[len(no) :])]
            verdicts.append(word_verdict(spec, (CONTINUED, CORRECTED), logprobs))
        return verdicts

    return work


def _spellings(chat: ChatTokenizer, word: str) -> list[str]:
    """Return a word as it is given, small and with a capital, each once.

    One that the vocabulary cannot write is left out, but never the given one.
    """
    others = dict.fromkeys((word.lower(), word.capitalize()))
    known = [other for other in others if other in chat.decode(chat.encode_text(other))]
    return [word, *(other for other in known if other != word)]


def judge_by_endpoint(
    spec: JudgeSpec,
    items: Sequence[Item],
    cache: Path,
    versions: Mapping[str, int],
    fresh: bool = False,
) -> tuple[list[Verdict], Record]:
    """Judge answers by the word that a model behind an endpoint writes."""
    assert spec.endpoint is not None, "method `endpoint` has one (checked on load)"
    asked = [question(spec, item) for item in items]
    told, record = ask_endpoint(spec.name, spec.endpoint, asked, cache, versions, fresh)
    return [_verdict(spec, tried) for tried in told], record


def question(spec: JudgeSpec, item: Item) -> list[Message]:
    """Return what a judge is asked about an answer, as a conversation of one turn."""
    text = correction_question(
        spec.prompt_template,
        "\n\n".join(turn["content"] for turn in item.messages),
        item.prefill,
        item.text,
        spec.yes_word,
        spec.no_word,
    )
    return [{"role": "user", "content": text}]


def said(text: str, yes: str, no: str) -> bool | None:
    """Read a yes or a no: the first word, without the other one after it.

    None is neither. Case and signs do not matter.
    """
    words = re.findall(r"\w+", plain(text).casefold())
    known = {yes.casefold(), no.casefold()}
    if not words or words[0] not in known or known <= set(words):
        return None
    return bool(words[0] == yes.casefold())


def _verdict(spec: JudgeSpec, tried: Tried) -> Verdict:
    if REFUSED in tried:
        return unscored(json.dumps({"refused": tried[REFUSED]}, ensure_ascii=False))
    choice = tried[ANSWER]["choices"][0]
    text = choice["message"].get("content") or ""
    told = {"text": text, "finish": choice.get("finish_reason")}
    raw = json.dumps(told, ensure_ascii=False)
    found = said(text, spec.yes_word, spec.no_word)
    if found is None:
        return unscored(raw)
    return Verdict(CORRECTED if found else CONTINUED, float(found), [], raw)

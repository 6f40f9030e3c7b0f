"""Entailment of an answer by the prompt's reference answer (NLI).

The paper (arXiv 2412.00074, section 4) has a large model extract three claims from
reference and answer. Here the premise is the whole reference and the hypotheses are the
answer's sentences: no second model stands between an answer and its score.
"""

import json
import math
from collections.abc import Sequence

from safegrid.config import JudgeSpec
from safegrid.config.judge_kinds import CONTRADICTION
from safegrid.core.errors import JudgeError
from safegrid.engine.asking import Asker
from safegrid.judge.classifier import check_pairs, class_names
from safegrid.judge.items import Item, Verdict, Work, unscored
from safegrid.judge.sentences import plain_sentences
from safegrid.models.templates import ChatTokenizer


def read_entailment(
    spec: JudgeSpec, chat: ChatTokenizer, items: Sequence[Item]
) -> Work:
    """Score each answer by the mean over its sentences of p_e / (p_e + p_c).

    p_e and p_c are the model's probabilities of entailment and of contradiction given
    (reference, sentence). An answer is unscored whole where its prompt has no
    reference, where it has no sentence, and where one of its sentences cannot be read.

    Raises:
        JudgeError: the model's classes are not those that the judge declares.
    """
    names = [name.lower() for name in class_names(chat.folder)]
    _check_classes(spec, names, chat)
    check_pairs(spec, chat.folder)
    places = names.index(spec.positive.lower()), names.index(CONTRADICTION)
    said = [plain_sentences(item.answer) if item.reference else [] for item in items]
    pairs = [
        chat.encode_sequence(item.reference or "", sentence)
        for item, own in zip(items, said, strict=True)
        for sentence in own
    ]

    def work(asker: Asker) -> list[Verdict]:
        found = iter(asker.classify(pairs))
        return [
            _verdict(item, [next(found) for _ in own], places)
            for item, own in zip(items, said, strict=True)
        ]

    return work


def _verdict(
    item: Item, rows: Sequence[Sequence[float]], places: tuple[int, int]
) -> Verdict:
    if not item.reference:
        return unscored("the prompt has no reference answer")
    if not rows:
        return unscored("the answer has no sentence")
    if not all(row and all(map(math.isfinite, row)) for row in rows):
        return unscored("a sentence has no probabilities: too long, or not finite")
    both = [[row[place] for place in places] for row in rows]
    if not all(map(sum, both)):
        return unscored("a sentence is neither entailed nor contradicted")
    shares = [entailed / (entailed + against) for entailed, against in both]
    raw = json.dumps({"sentences": [round(share, 6) for share in shares]})
    return Verdict(None, math.fsum(shares) / len(shares), [], raw)


def _check_classes(spec: JudgeSpec, names: Sequence[str], chat: ChatTokenizer) -> None:
    if sorted(names) != sorted(name.lower() for name in spec.classes):
        raise JudgeError(
            f"judge {spec.name}: declares the classes {sorted(spec.classes)}, but"
            f" {chat.folder / 'config.json'} names {sorted(names)}; make `classes` say"
            " the same"
        )

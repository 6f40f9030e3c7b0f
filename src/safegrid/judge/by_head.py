"""A judge of kind `refusal` by a trained text head: an encoder's vectors, no engine."""

import json
from collections.abc import Sequence
from pathlib import Path

from safegrid.artifacts import read_result
from safegrid.config import JudgeSpec
from safegrid.errors import JudgeError
from safegrid.judge.encode import Encoder
from safegrid.judge.items import Item, Verdict, unscored
from safegrid.judge.text_head import Head, Text, decide
from safegrid.plain import is_blank


def judge_by_head(
    spec: JudgeSpec, chain: Sequence[Path], items: Sequence[Item]
) -> list[Verdict]:
    """Judge each answer with its prefill; one without a word is unscored.

    Args:
        spec: its classes and threshold.
        chain: the file of the head, and the folder of its encoder if it has one.
        items: what to judge.

    Raises:
        JudgeError: the head gives classes that the judge does not declare.
    """
    head = Head.of(read_result(chain[0])["head"])
    if not {spec.positive} <= set(head.classes) <= set(spec.classes):
        raise JudgeError(
            f"judge {spec.name}: declares the classes {sorted(spec.classes)} with"
            f" {spec.positive!r} as the positive one, but {chain[0]} was trained on"
            f" {sorted(head.classes)}; make the two say the same"
        )
    said = [item for item in items if not is_blank(item.answer)]
    texts = [Text(item.request, item.answer) for item in said]
    found = iter(_verdicts(spec, head, texts, chain[1:]))
    return [
        unscored("empty: no word to judge") if is_blank(item.answer) else next(found)
        for item in items
    ]


def _verdicts(
    spec: JudgeSpec, head: Head, texts: Sequence[Text], encoders: Sequence[Path]
) -> list[Verdict]:
    if not texts:
        return []
    encode = Encoder(encoders[0]) if encoders else None
    rows = head.probabilities(texts, encode).tolist()
    return [_verdict(spec, head.classes, row) for row in rows]


def _verdict(
    spec: JudgeSpec, classes: Sequence[str], probabilities: Sequence[float]
) -> Verdict:
    by_class = dict(zip(classes, probabilities, strict=True))
    label = decide(probabilities, classes, spec.positive, spec.threshold)
    raw = json.dumps({name: round(value, 6) for name, value in by_class.items()})
    return Verdict(label, by_class[spec.positive], [], raw)

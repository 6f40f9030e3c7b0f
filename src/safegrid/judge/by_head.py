"""A judge of kind `refusal` by a trained text head."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safegrid.config import EngineSpec, JudgeSpec
from safegrid.core.artifacts import read_result
from safegrid.core.errors import JudgeError
from safegrid.judge.encode import with_encoder
from safegrid.judge.items import Item, Verdict, unscored
from safegrid.judge.text_head import Encode, Head, Text, decide
from safegrid.readers.plain import is_blank
from safegrid.runtime.usage import Record


def judge_by_head(
    spec: JudgeSpec,
    stack: Sequence[Path],
    items: Sequence[Item],
    engine: EngineSpec,
    cache: Path,
    versions: Mapping[str, int],
    fresh: bool,
) -> tuple[list[Verdict], Record | None]:
    """Judge each answer with its prefill; one without a word is unscored.

    Args:
        spec: its classes and threshold.
        stack: the file of the head, and the folder of its encoder if it has one.
        items: what to judge.
        engine: serves the encoder.
        cache: file of the vectors.
        versions: of the stage and the judge.
        fresh: ignore the cache.

    Returns:
        The verdicts, and who gave the vectors in what time; None without an encoder.

    Raises:
        JudgeError: the head gives classes that the judge does not declare.
        EngineError: the engine does not start or does not answer.
    """
    head = _head(spec, stack[0])
    said = [item for item in items if not is_blank(item.answer)]
    texts = [Text(item.request, item.answer) for item in said]

    def by(encode: Encode) -> list[Verdict]:
        rows = iter(head.probabilities(texts, encode).tolist() if texts else [])
        return [
            unscored("empty: no word to judge")
            if is_blank(item.answer)
            else _verdict(spec, head.classes, next(rows))
            for item in items
        ]

    return with_encoder(by, stack[1:], engine, cache, versions, fresh)


def _head(spec: JudgeSpec, path: Path) -> Head:
    head = Head.of(read_result(path)["head"])
    if not {spec.positive} <= set(head.classes) <= set(spec.classes):
        raise JudgeError(
            f"judge {spec.name}: declares the classes {sorted(spec.classes)} with"
            f" {spec.positive!r} as the positive one, but {path} was trained on"
            f" {sorted(head.classes)}; make the two say the same"
        )
    return head


def _verdict(
    spec: JudgeSpec, classes: Sequence[str], probabilities: Sequence[float]
) -> Verdict:
    by_class = dict(zip(classes, probabilities, strict=True))
    label = decide(probabilities, classes, spec.positive, spec.threshold)
    raw = json.dumps({name: round(value, 6) for name, value in by_class.items()})
    return Verdict(label, by_class[spec.positive], [], raw)

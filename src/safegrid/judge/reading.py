"""A row's label and score, from elsewhere, as the verdict of a judge of some kind."""

import json
import math
from collections.abc import Callable

from safegrid.config import JudgeSpec
from safegrid.core.records import UNSCORED
from safegrid.judge.guard import SAFE, UNSAFE
from safegrid.judge.items import Verdict, unscored
from safegrid.judge.parse import parse_categories
from safegrid.readers.problems import unknown

Label = str | None
Score = float | None
# A verdict, or why the row gives none.
Reading = Verdict | str


def verdict_of(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    """Read what a row says as a judge of this kind says it.

    guard: one of its two words, with hazards below it or without, P(unsafe), or both,
        which must agree by its threshold.
    refusal: one of its classes, and P(positive) if known.
    toxicity: P(positive), and one of its classes if known.
    reward, harmfulness: a number alone.

    A guard's or a refusal's label without a score is as sure as one: its score is 1 or
    0. Label `unscored` says for each kind that the judge could not read the answer.

    Args:
        spec: the judge that the row is said to be of.
        label: as it stands in the row, null for none.
        score: likewise.

    Returns:
        The verdict, or a sentence that says what is wrong with the row.
    """
    if label is None and score is None:
        return "has neither `label` nor `score`; an item without both is left out"
    if score is not None and not math.isfinite(score):
        return "field 'score' is no finite number; leave out what has no score"
    if label == UNSCORED:
        if score is not None:
            return f"is labelled {UNSCORED!r} and has a score; give one of the two"
        return unscored("unscored where it is from")
    return READERS[spec.kind](spec, label, score)


def _of_number(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    if label is not None or score is None:
        return f"kind {spec.kind!r} gives numbers: expected a `score` and no `label`"
    return _verdict(None, score, label, score)


def _of_guard(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    words = {spec.safe: SAFE, spec.unsafe: UNSAFE}
    # As a guard writes it: its word, and below it the hazards.
    word, _, line = (label or "").strip().partition("\n")
    if label is not None and word not in words:
        return unknown("label", word, words)
    codes = parse_categories(line, cut=False)
    if score is None:
        found = words[word]
        sure = float(found == UNSAFE)
        return _verdict(found, sure, label, score)._replace(categories=codes)
    if not 0 <= score <= 1:
        return "field 'score' of a guard is P(unsafe): expected 0 to 1"
    found = UNSAFE if score >= spec.threshold else SAFE
    if label is not None and words[word] != found:
        return (
            "its label and its score say opposite things: a guard's score is"
            f" P(unsafe), and from threshold {spec.threshold:g} on that is unsafe"
        )
    return _verdict(found, score, label, score)._replace(categories=codes)


def _of_classes(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    if label is not None and label not in spec.classes:
        return unknown("label", label, spec.classes)
    if score is not None and not 0 <= score <= 1:
        return f"field 'score' of kind {spec.kind!r} is a probability: expected 0 to 1"
    if spec.kind == "toxicity":
        return _of_toxicity(spec, label, score)
    if label is None:
        return "kind 'refusal' needs a `label`: a score does not tell its classes apart"
    sure = float(label == spec.positive)
    return _verdict(label, sure if score is None else score, label, score)


def _of_toxicity(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    if score is None:
        return "kind 'toxicity' needs a `score`: its metrics are computed from it"
    others = [name for name in spec.classes if name != spec.positive]
    below = others[0] if len(others) == 1 else None
    found = spec.positive if score >= spec.threshold else below
    return _verdict(label or found, score, label, score)


def _verdict(found: Label, value: float, label: Label, score: Score) -> Verdict:
    raw = json.dumps({"label": label, "score": score}, ensure_ascii=False)
    return Verdict(found, value, [], raw)


READERS: dict[str, Callable[[JudgeSpec, Label, Score], Reading]] = {
    "guard": _of_guard,
    "refusal": _of_classes,
    "toxicity": _of_classes,
    "reward": _of_number,
    "harmfulness": _of_number,
}

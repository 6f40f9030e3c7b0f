"""A judge of kind `refusal` that reads answers by rule: no model, no engine, no cache.

The rules are those of `refusals`; the score is 1 for a refusal, else 0.
"""

import json
from collections.abc import Sequence

from safegrid.config import JudgeSpec
from safegrid.core.errors import JudgeError
from safegrid.judge.items import Item, Verdict
from safegrid.judge.refusals import CLASSES, REFUSAL, find_refusal


def judge_by_rules(spec: JudgeSpec, items: Sequence[Item]) -> list[Verdict]:
    """Judge each answer with its prefill; every one can be read, an empty one too.

    Raises:
        JudgeError: the judge declares other classes than the rules give.
    """
    if sorted(spec.classes) != sorted(CLASSES) or spec.positive != REFUSAL:
        raise JudgeError(
            f"judge {spec.name}: declares the classes {sorted(spec.classes)} with"
            f" {spec.positive!r} as the positive one, but the rules give"
            f" {sorted(CLASSES)} with {REFUSAL!r}; make `classes` and `positive` say"
            " the same"
        )
    return [_verdict(item.answer) for item in items]


def _verdict(answer: str) -> Verdict:
    """Judge one answer; `raw` says by which form, and how much help stood beside it."""
    label, *why = find_refusal(answer)
    raw = json.dumps(dict(zip(("form", "before", "after"), why, strict=True)))
    return Verdict(label, float(label == REFUSAL), [], raw)

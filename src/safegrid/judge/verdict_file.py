"""Files of verdicts from elsewhere: rows that say themselves which item they are of.

Takes csv, JSON lines, or JSON: a list of objects, or one of lists. Each row names its
item by `prompt_id`, or by `prompt`, the exact text of the user's turn, and `sample` (0
if left out), and carries `label`, `score` or both. It may carry `response`, the text
of the answer, and `base`, `recipe`, `seed` and `benchmark`, which say whose it is.
Nothing is ever paired by position.
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config import JudgeSpec
from safegrid.core.records import UNSCORED
from safegrid.judge.guard import SAFE, UNSAFE, parse_categories
from safegrid.judge.items import Verdict, unscored
from safegrid.readers.formats import type_name
from safegrid.readers.problems import FileProblems, unknown
from safegrid.readers.raw import check_columns, check_readable, read_rows

ENDINGS = (".csv", ".jsonl", ".json")
ITEM = ("prompt_id", "prompt", "sample")
SAID = ("label", "score", "response")
CELL = ("base", "recipe", "seed", "benchmark")
ROWS = (
    "a file of verdicts is a list of rows, each with a field `prompt_id`, or `prompt`"
    " with the exact text of the user's turn: add it to each verdict; verdicts are"
    " never paired by position"
)

Label = str | None
Score = float | None
# A verdict, or why the row gives none.
Reading = Verdict | str


class VerdictLine(NamedTuple):
    """A verdict as a line of a file tells it; `cell` are the columns of CELL it has."""

    line: int
    prompt_id: str | None
    prompt: str | None
    sample: int
    response: str | None
    cell: dict[str, str]
    verdict: Verdict


def read_told(
    path: Path,
    spec: JudgeSpec,
    problems: FileProblems,
    names: Mapping[str, str] | None = None,
) -> list[VerdictLine]:
    """Read the rows of a file; what does not fit is noted in `problems`, without texts.

    Where a file calls fields otherwise, `names` are its and ours, and fields that are
    none of ours are left aside.
    """
    check_readable(path, ENDINGS)
    found, count = [], 0
    known = [*ITEM, *SAID, *CELL]
    rows = read_rows(path, problems, names or {})
    for count, row in enumerate(rows, start=1):
        values = row.values
        if names is not None:
            values = {name: value for name, value in values.items() if name in known}
        elif count == 1:
            check_columns(values, known, path, problems)
        told = _told(row.line, values, spec, is_csv=path.suffix == ".csv")
        if isinstance(told, VerdictLine):
            found.append(told)
        else:
            problems.add(row.line, told)
    if count == 0:
        problems.add(1, ROWS)
    return found


def _told(
    line: int, values: Mapping[str, Any], spec: JudgeSpec, is_csv: bool
) -> VerdictLine | str:
    """Return a row, or what is wrong with it."""
    # An empty cell of a csv is a field left out; in JSON an answer may be empty.
    absent = (None, "") if is_csv else (None,)
    given = {name: value for name, value in values.items() if value not in absent}
    if "prompt_id" not in given and "prompt" not in given:
        return ROWS
    for name in ("prompt_id", "prompt", "label", "response"):
        if not isinstance(given.get(name, ""), str):
            return f"field {name!r} must be text, not {type_name(given[name])}"
    sample = given.get("sample", 0)
    if is_csv and isinstance(sample, str) and sample.strip().isdecimal():
        sample = int(sample)
    if type(sample) is not int or sample < 0:
        return "field 'sample' must be a whole number, 0 or more"
    score = _number(given["score"], is_csv) if "score" in given else None
    if "score" in given and score is None:
        return "field 'score' must be a number"
    verdict = verdict_of(spec, given.get("label"), score)
    if isinstance(verdict, str):
        return verdict
    cell = {name: str(given[name]) for name in CELL if name in given}
    prompt_id, prompt, response = map(given.get, ("prompt_id", "prompt", "response"))
    return VerdictLine(line, prompt_id, prompt, sample, response, cell, verdict)


def _number(value: Any, is_csv: bool) -> float | None:
    if not is_csv and type(value) not in (int, float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def verdict_of(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    """Return a row's verdict as a judge of this kind says it, or what is wrong with it.

    guard: one of its two words, with hazards below it or without, P(unsafe), or both,
        which must agree by its threshold.
    refusal: one of its classes, and P(positive) if known.
    toxicity: P(positive), and one of its classes if known.
    reward, harmfulness: a number alone.

    A guard's or a refusal's label without a score is as sure as one: its score is 1 or
    0. Label `unscored` says for each kind that the judge could not read the answer.
    """
    if label is None and score is None:
        return "has neither `label` nor `score`; an item without both is left out"
    if score is not None and not math.isfinite(score):
        return "field 'score' is no finite number; leave out what has no score"
    if label == UNSCORED:
        if score is not None:
            return f"is labelled {UNSCORED!r} and has a score; give one of the two"
        return unscored("unscored where it is from")
    found = READERS[spec.kind](spec, label, score)
    if isinstance(found, str):
        return found
    raw = json.dumps({"label": label, "score": score}, ensure_ascii=False)
    return found._replace(raw=raw)


def _of_number(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    if label is not None or score is None:
        return f"kind {spec.kind!r} gives numbers: expected a `score` and no `label`"
    return Verdict(None, score, [], "")


def _of_guard(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    words = {spec.safe: SAFE, spec.unsafe: UNSAFE}
    # As a guard writes it: its word, and below it the hazards.
    word, _, line = (label or "").strip().partition("\n")
    if label is not None and word not in words:
        return unknown("label", word, words)
    codes = parse_categories(line, cut=False)
    if score is None:
        return Verdict(words[word], float(words[word] == UNSAFE), codes, "")
    if not 0 <= score <= 1:
        return "field 'score' of a guard is P(unsafe): expected 0 to 1"
    found = UNSAFE if score >= spec.threshold else SAFE
    if label is not None and words[word] != found:
        return (
            "its label and its score say opposite things: a guard's score is"
            f" P(unsafe), and from threshold {spec.threshold:g} on that is unsafe"
        )
    return Verdict(found, score, codes, "")


def _of_classes(spec: JudgeSpec, label: Label, score: Score) -> Reading:
    if label is not None and label not in spec.classes:
        return unknown("label", label, spec.classes)
    if score is not None and not 0 <= score <= 1:
        return f"field 'score' of kind {spec.kind!r} is a probability: expected 0 to 1"
    if spec.kind == "refusal":
        if label is None:
            return (
                "kind 'refusal' needs a `label`: a score does not tell its classes"
                " apart"
            )
        sure = float(label == spec.positive)
        return Verdict(label, sure if score is None else score, [], "")
    if score is None:
        return "kind 'toxicity' needs a `score`: its metrics are computed from it"
    others = [name for name in spec.classes if name != spec.positive]
    below = others[0] if len(others) == 1 else None
    found = spec.positive if score >= spec.threshold else below
    return Verdict(label or found, score, [], "")


READERS: dict[str, Callable[[JudgeSpec, Label, Score], Reading]] = {
    "guard": _of_guard,
    "refusal": _of_classes,
    "toxicity": _of_classes,
    "reward": _of_number,
    "harmfulness": _of_number,
}

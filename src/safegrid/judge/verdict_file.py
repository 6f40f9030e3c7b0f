"""Files of verdicts from elsewhere: rows that say themselves which item they are of.

Takes csv, JSON lines, or JSON: a list of objects, or one of lists. Each row names its
item by `prompt_id`, or by `prompt`, the exact text of the user's turn, and `sample` (0
if left out), and carries `label`, `score` or both. It may carry `response`, the text
of the answer, and `base`, `recipe`, `seed` and `benchmark`, which say whose it is.
Nothing is ever paired by position.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config import JudgeSpec
from safegrid.judge.items import Verdict
from safegrid.judge.reading import verdict_of
from safegrid.readers.formats import type_name
from safegrid.readers.problems import Problems
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


class Told(NamedTuple):
    """A verdict as a file tells it.

    Attributes:
        line: where it stands in the file.
        prompt_id: of its item, if it says so.
        prompt: the user's turn, if it says so.
        sample: which of the prompt's answers.
        response: the answer that was judged, if it says so.
        cell: whose answer, the columns of CELL that it has.
    """

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
    problems: Problems,
    names: Mapping[str, str] | None = None,
) -> list[Told]:
    """Read the rows of a file; what does not fit is noted in `problems`.

    Args:
        path: the file.
        spec: the judge whose verdicts it holds.
        problems: of the file; no reason quotes a row.
        names: what the file calls a field of ours, and ours; then fields that are none
            of ours are left aside. Null where it calls them as we do.

    Raises:
        DataError: there is no such file, or it has another ending.
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
        if isinstance(told, Told):
            found.append(told)
        else:
            problems.add(row.line, told)
    if count == 0:
        problems.add(1, ROWS)
    return found


def _told(
    line: int, values: Mapping[str, Any], spec: JudgeSpec, is_csv: bool
) -> Told | str:
    """Return a row, or what is wrong with it."""
    # An empty cell of a csv is a field left out; in JSON an answer may be empty.
    absent = (None, "") if is_csv else (None,)
    given = {name: value for name, value in values.items() if value not in absent}
    if "prompt_id" not in given and "prompt" not in given:
        return ROWS
    for name in ("prompt_id", "prompt", "label", "response"):
        if not isinstance(given.get(name, ""), str):
            return f"field {name!r} must be text, not {type_name(given[name])}"
    sample, score = _sample(given, is_csv), _score(given, is_csv)
    if sample is None:
        return "field 'sample' must be a whole number, 0 or more"
    if score is None:
        return "field 'score' must be a number"
    label = given.get("label")
    verdict = verdict_of(spec, label, score if "score" in given else None)
    if isinstance(verdict, str):
        return verdict
    cell = {name: str(given[name]) for name in CELL if name in given}
    prompt_id, prompt, response = map(given.get, ("prompt_id", "prompt", "response"))
    return Told(line, prompt_id, prompt, sample, response, cell, verdict)


def _sample(given: Mapping[str, Any], is_csv: bool) -> int | None:
    value = given.get("sample", 0)
    if is_csv and isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    return value if type(value) is int and value >= 0 else None


def _score(given: Mapping[str, Any], is_csv: bool) -> float | None:
    """Return the score, NaN of a row without one; None of what is not a number."""
    value = given.get("score", math.nan)
    if not is_csv and type(value) not in (int, float):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None

"""PKU-SafeRLHF (Ji et al. 2024): two responses a prompt, each labelled safe or not.

Takes both column sets that upstream published: seven columns (the 30K release) and
sixteen (since June 2024: harm categories, severities, sources, checksums); gives the
pairs that a dataset's rule makes of them.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config.dataset import HARM_CATEGORIES, DatasetSpec
from safegrid.data.drops import Drop, unusable
from safegrid.data.rows import Pair
from safegrid.readers.formats import Row
from safegrid.readers.problems import Problems, describe
from safegrid.readers.raw import Field, read_rows

FIELDS = {
    "prompt": Field(str),
    "response_0": Field(str, filled=False),
    "response_1": Field(str, filled=False),
    "is_response_0_safe": Field(bool),
    "is_response_1_safe": Field(bool),
    "better_response_id": Field(int),
    "safer_response_id": Field(int),
}
PREFERRED = ("safer_response_id", "better_response_id")
HARM_FIELDS = {
    "response_0_harm_category": Field(dict),
    "response_1_harm_category": Field(dict),
    "response_0_sha256": Field(str),
    "response_1_sha256": Field(str),
}


class Comparison(NamedTuple):
    """One row, whichever columns it came in.

    Attributes:
        line: where it starts in the file, counted from 1.
        responses: the two texts; `safe` and `harms` are in the same order.
        safer: 0 or 1, upstream's safer_response_id.
        better: 0 or 1, its better_response_id, which is about helpfulness and often
            the other one.
        harms: harm categories of each response in upstream's order; null in the
            seven-column form.
        intact: whether each response still has upstream's checksum (true where the
            form has none).
    """

    line: int
    prompt: str
    responses: tuple[str, str]
    safe: tuple[bool, bool]
    safer: int
    better: int
    harms: tuple[tuple[str, ...], tuple[str, ...]] | None
    intact: bool


def read(path: Path, problems: Problems) -> Iterator[Comparison]:
    """Read a file of either form; what does not fit is noted in `problems`."""
    for row in read_rows(path, FIELDS, problems, optional=HARM_FIELDS):
        values = row.values
        reason = None
        odd = [key for key in PREFERRED if values[key] not in (0, 1)]
        if odd:
            reason = f"field {odd[0]!r} must be 0 or 1"
        elif any(name in values for name in HARM_FIELDS):
            reason = _harm_reason(values)
        if reason is None:
            yield _comparison(row)
        else:
            problems.add(row.line, reason)


def choose(row: Comparison, spec: DatasetSpec) -> Pair | Drop:
    """Return the pair that a comparison makes by the dataset's rule, or why none.

    The pair's category is the first harm category of the rejected response in
    upstream's order; null where it has none.
    """
    if not row.intact:
        return "checksum_mismatch"
    reason = unusable(*row.responses)
    if reason is not None:
        return reason
    one_safe = row.safe[0] != row.safe[1]
    if spec.keep == "exactly_one_safe" and not one_safe:
        return "both_safe" if row.safe[0] else "both_unsafe"
    if one_safe and not row.safe[row.safer]:
        return "labels_disagree"
    if spec.keep == "safe_and_better" and not row.safe[row.safer]:
        return "both_unsafe"
    if spec.keep == "safe_and_better" and row.better != row.safer:
        return "not_better"
    harms = row.harms[1 - row.safer] if row.harms is not None else ()
    if spec.categories is not None and not set(harms) & set(spec.categories):
        return "other_category"
    return Pair(
        row.line,
        row.prompt,
        chosen=row.responses[row.safer],
        rejected=row.responses[1 - row.safer],
        category=harms[0] if harms else None,
    )


def _harm_reason(values: dict[str, Any]) -> str | None:
    for name, field in HARM_FIELDS.items():
        if type(values.get(name)) is not field.kind:
            return (
                f"field {name!r} is missing or of the wrong type, while others of the"
                " sixteen-column form are there"
            )
    for name in ("response_0_harm_category", "response_1_harm_category"):
        odd = [key for key in values[name] if key not in HARM_CATEGORIES]
        if odd:
            return (
                f"field {name!r} has categories that upstream does not publish:"
                f" {', '.join(map(describe, odd[:5]))}"
            )
        if any(type(flag) is not bool for flag in values[name].values()):
            return f"field {name!r} must hold only true and false"
    return None


def _comparison(row: Row) -> Comparison:
    values = row.values
    responses = (values["response_0"], values["response_1"])
    with_harms = "response_0_harm_category" in values
    return Comparison(
        line=row.line,
        prompt=values["prompt"],
        responses=responses,
        safe=(values["is_response_0_safe"], values["is_response_1_safe"]),
        safer=values["safer_response_id"],
        better=values["better_response_id"],
        harms=(_harms(values, 0), _harms(values, 1)) if with_harms else None,
        intact=not with_harms
        or all(
            values[f"response_{i}_sha256"] == _checksum(values["prompt"], response)
            for i, response in enumerate(responses)
        ),
    )


def _harms(values: dict[str, Any], response: int) -> tuple[str, ...]:
    flags = values[f"response_{response}_harm_category"]
    return tuple(name for name in HARM_CATEGORIES if flags.get(name))


def _checksum(prompt: str, response: str) -> str:
    # Upstream's rule, found on its published rows: prompt and response, unseparated.
    return sha256((prompt + response).encode()).hexdigest()

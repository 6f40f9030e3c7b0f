"""Options of an import: judges with their files, or everything that is wrong."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.config import JudgeSpec
from safegrid.config.block import NAMING, is_name
from safegrid.config.judge_kinds import BY_FILE
from safegrid.config.prompt import PROMPT_FORMATS
from safegrid.core.errors import ConfigError
from safegrid.judge.refusals import CLASSES, REFUSAL
from safegrid.judge.verdict_file import CELL, ITEM, SAID

SAFE, UNSAFE = "safe", "unsafe"
OURS = (*ITEM, *SAID, *CELL)
CLASSED: dict[str, dict[str, Any]] = {
    "refusal": {"classes": list(CLASSES), "positive": REFUSAL},
    "toxicity": {"classes": ["toxic"], "positive": "toxic"},
}
"""The classes of kinds that have some; a toxicity is read by its score."""


class Options(NamedTuple):
    """The options of an import.

    Attributes:
        names: of benchmark and model.
        kind: of the prompts, null for rows of PROMPT.
        words: the two words of guards, null for ours.
        threshold: P(unsafe) from which on a guard's score is unsafe.
        verdicts: `judge=kind=file` each.
        fields: `ours=theirs` each, where files call a field something else.
    """

    names: tuple[str, str]
    kind: str | None
    words: list[str] | None
    threshold: float
    verdicts: list[str]
    fields: list[str] | None = None


def fields_of(options: Options) -> dict[str, str] | None:
    """Return our name of each field that the files call something else."""
    if options.fields is None:
        return None
    parts = (text.partition("=") for text in options.fields)
    return {theirs: ours for ours, _, theirs in parts}


def judges_of(options: Options) -> list[tuple[JudgeSpec, Path]]:
    """Return each judge with its file.

    Raises:
        ConfigError: all that is wrong with the options.
    """
    parts = [tuple(text.split("=", 2)) for text in options.verdicts]
    whole = [(p[0], p[1], p[2]) for p in parts if len(p) == 3 and p[1] in BY_FILE]
    wrong = [
        *_wrong_names([*options.names, *(part[0] for part in parts)]),
        *_wrong_prompts(options.kind),
        *_wrong_fields(options.fields or []),
        *_wrong_guards(options.words, options.threshold),
        *(
            f"--verdicts {'='.join(part)!r}: expected judge=kind=file with a kind of"
            f" {', '.join(BY_FILE)}"
            for part in parts
            if part not in whole
        ),
        *_repeated([part[0] for part in parts]),
    ]
    if not parts:
        wrong.append("--verdicts: expected judge=kind=file, one or more")
    if wrong:
        raise ConfigError("import-verdicts:\n" + "\n".join(f"  {w}" for w in wrong))
    safe, unsafe = options.words or (SAFE, UNSAFE)
    guard = {"safe": safe, "unsafe": unsafe, "threshold": options.threshold}
    more = {**CLASSED, "guard": guard}
    return [(_spec(name, kind, more), Path(file)) for name, kind, file in whole]


def _spec(name: str, kind: str, more: dict[str, dict[str, Any]]) -> JudgeSpec:
    block = {"name": name, "kind": kind, "method": "file", **more.get(kind, {})}
    return JudgeSpec.model_validate(block)


def _wrong_names(names: Sequence[str]) -> list[str]:
    """Names become files and rows of tables."""
    return [
        f"{name!r} is no name: {NAMING}"
        for name in dict.fromkeys(names)
        if not is_name(name)
    ]


def _wrong_prompts(kind: str | None) -> list[str]:
    if kind is None or kind in set(PROMPT_FORMATS):
        return []
    return [f"--kind {kind!r}: expected one of {', '.join(sorted(PROMPT_FORMATS))}"]


def _wrong_fields(fields: Sequence[str]) -> list[str]:
    return [
        f"--fields {text!r}: expected ours=theirs with one of ours of {', '.join(OURS)}"
        for text in fields
        if text.partition("=")[0] not in OURS or not text.partition("=")[2]
    ]


def _wrong_guards(words: list[str] | None, threshold: float) -> list[str]:
    wrong = []
    if words is not None and (len(words) != 2 or words[0] == words[1]):
        wrong.append(
            "--words: expected two, the guards' word for safe, then for unsafe"
        )
    if not 0 <= threshold <= 1:
        wrong.append(f"--threshold {threshold:g}: expected a probability, 0 to 1")
    return wrong


def _repeated(names: Sequence[str]) -> list[str]:
    counts = Counter(names).items()
    return [f"judge {name!r} is given {n} times" for name, n in counts if n > 1]

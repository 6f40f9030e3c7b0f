"""Alpaca-style rows: an instruction, perhaps an input, and the answer to it.

Takes Alpaca's own files, its seed tasks (whose inputs and outputs are instances),
AlpacaEval's outputs and Safety-Tuned LLaMAs' training rows, all of one shape, and the
same as lists (`instructions`, `inputs`, `outputs`); gives instructions with their
answers, and as prompts of a benchmark.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from safegrid.data.items import item_of
from safegrid.data.rows import Prompt
from safegrid.readers.problems import Problems
from safegrid.readers.raw import Field, read_rows

FIELDS = {"instruction": Field(str)}
OPTIONAL = ("input", "output", "instances", "dataset")
# What the fields are called where a file holds lists.
LISTS = {"instructions": "instruction", "inputs": "input", "outputs": "output"}


class Instruction(NamedTuple):
    """One instruction with its input below it, and an answer, which may be empty.

    Attributes:
        line: where it stands in the file.
        origin: AlpacaEval's `dataset`, the set that the instruction is from; else null.
    """

    line: int
    prompt: str
    response: str
    origin: str | None


def read(path: Path, problems: Problems, heading: str = "") -> Iterator[Instruction]:
    """Read the file; what does not fit is noted in `problems`.

    Args:
        path: the file.
        problems: notes.
        heading: a line that stands above an input, where there is one.
    """
    for row in read_rows(path, FIELDS, problems, LISTS, OPTIONAL):
        values = row.values
        for instance in _instances(values):
            reason = _reason(instance, values)
            if reason is not None:
                problems.add(row.line, reason)
                continue
            prompt = _prompt(values["instruction"], instance.get("input"), heading)
            response = instance["output"]
            yield Instruction(row.line, prompt, response, values.get("dataset"))


def read_prompts(
    path: Path, problems: Problems, heading: str, answered: bool = False
) -> Iterator[Prompt]:
    """Read the instructions as prompts.

    Args:
        path: see `read`; `problems` and `heading` likewise.
        problems: collects what does not fit.
        heading: stands over an input.
        answered: keep the answers as references; an empty one is none. Else they are
            left out.
    """
    for number, row in enumerate(read(path, problems, heading), start=1):
        reference = row.response.strip() if answered else ""
        yield Prompt(
            f"instruction-{number}",
            row.prompt,
            cluster=item_of(row.prompt),
            category=row.origin,
            reference=reference or None,
        )


def _prompt(instruction: str, given: str | None, heading: str) -> str:
    if not (given and given.strip()):
        return instruction
    below = f"{heading}\n{given}" if heading else given
    return f"{instruction}\n\n{below}"


def _instances(values: dict[str, Any]) -> list[Any]:
    instances = values.get("instances", [values])
    return instances if isinstance(instances, list) and instances else [None]


def _reason(instance: Any, values: dict[str, Any]) -> str | None:
    if not isinstance(instance, dict):
        return "field 'instances' must be a list of {input, output}, not empty"
    if not isinstance(instance.get("output"), str):
        return "field 'output' must be a text (it may be empty)"
    if not isinstance(instance.get("input") or "", str):
        return "field 'input' must be a text, or be left out"
    if not isinstance(values.get("dataset") or "", str):
        return "field 'dataset' must be a text, or be left out"
    return None

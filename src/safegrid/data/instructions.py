"""Alpaca-style rows: an instruction, perhaps an input, and the answer to it.

Takes Alpaca's own files, its seed tasks (whose inputs and outputs are instances),
AlpacaEval's outputs and Safety-Tuned LLaMAs' training rows, all of one shape, and the
same as lists (`instructions`, `inputs`, `outputs`); gives instructions with their
answers, as prompts of a benchmark, and as documents that a base is trained on.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field, model_validator

from safegrid.core.artifacts import manifest, write_result
from safegrid.core.files import write_text
from safegrid.data.rows import Prompt, PromptFile
from safegrid.data.words import item_of
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import FileProblems
from safegrid.readers.raw import Fields, Filled, read_as

log = logging.getLogger(__name__)


# What the fields are called where a file holds lists.
LISTS = {"instructions": "instruction", "inputs": "input", "outputs": "output"}


class AnswerFields(Fields):
    """An answer, which may be empty, and the input that it answers, if there is one."""

    input: str | None = None
    output: str


class Task(Fields):
    """A row: an instruction with its answer, or with several as instances."""

    NAMES: ClassVar[dict[str, str]] = LISTS
    instruction: Filled
    input: str | None = None
    output: str | None = None
    instances: Annotated[list[AnswerFields], Field(min_length=1)] | None = None
    dataset: str | None = None

    @model_validator(mode="after")
    def _answered(self) -> "Task":
        if self.instances is None and self.output is None:
            raise ValueError("field 'output' must be a text (it may be empty)")
        return self


class Instruction(NamedTuple):
    """One instruction with its input below it, and an answer, which may be empty.

    Its origin is AlpacaEval's `dataset`, the set that it is from; else null.
    """

    line: int
    prompt: str
    response: str
    origin: str | None


def read(
    path: Path, problems: FileProblems, heading: str = ""
) -> Iterator[Instruction]:
    """Read a file; `heading` stands in a line above an input, where there is one."""
    above = f"{heading}\n" if heading else ""
    for line, row in read_as(path, Task, problems):
        own = AnswerFields(input=row.input, output=row.output or "")
        for answer in row.instances or [own]:
            prompt, given = row.instruction, answer.input or ""
            if given.strip():
                prompt = f"{prompt}\n\n{above}{given}"
            yield Instruction(line, prompt, answer.output, row.dataset)


def read_prompts(file: PromptFile) -> Iterator[Prompt]:
    """Ask the instructions; of kind `answered_instructions`, with their answers."""
    answered = file.spec.kind == "answered_instructions"
    rows = read(file.path, file.problems, file.spec.input_heading)
    for number, row in enumerate(rows, start=1):
        reference = row.response.strip() if answered else ""
        yield Prompt(
            f"instruction-{number}",
            row.prompt,
            cluster=item_of(row.prompt),
            category=row.origin,
            reference=reference or None,
        )


def gather_texts(files: list[Path], out: Path, out_manifest: Path) -> None:
    """Write every answered instruction of some files as a document.

    Args:
        files: of format `instructions`.
        out: JSON lines of `messages`: a user's turn and the answer to it.
        out_manifest: what was kept and dropped; written last.
    """
    lines, unanswered = [], 0
    for file in files:
        problems = FileProblems(file)
        for row in read(file, problems):
            if is_blank(row.response):
                unanswered += 1
            else:
                turns = [
                    {"role": "user", "content": row.prompt},
                    {"role": "assistant", "content": row.response},
                ]
                document = json.dumps({"messages": turns}, ensure_ascii=False)
                lines.append(f"{document}\n")
        problems.raise_any()
    write_text(out, "".join(lines))
    inputs = {str(number): file for number, file in enumerate(files)}
    dropped = {"empty_response": unanswered} if unanswered else {}
    facts = manifest("prepare", inputs, {}, rows=len(lines), dropped=dropped)
    write_result(out_manifest, facts)
    log.info("%d documents of %d files, dropped %s", len(lines), len(files), dropped)

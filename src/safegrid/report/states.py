"""States of cells: from score files, a plan, logs and Snakemake's marks."""

import base64
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.records import SCORE
from safegrid.core.seals import fault_of
from safegrid.report.names import cell_of
from safegrid.runtime.plans import Plan, stack_of, why
from safegrid.runtime.runs import OWNER_FILE, read_owner

INCOMPLETE = Path(".snakemake/incomplete")
STATES = ("done", "running", "stale", "failed", "damaged", "missing", "refused")


class State(NamedTuple):
    """How a cell stands, and what a reader should know of it.

    Attributes:
        word: one of STATES.
        n_unscored: answers that a judge could not score, of a cell that was scored.
        reason: of one that failed, is stale, damaged or was refused; else empty.
    """

    word: str
    n_unscored: int = 0
    reason: str = ""

    @property
    def text(self) -> str:
        """The state as it stands in the table."""
        return f"{self.word} u={self.n_unscored}" if self.n_unscored else self.word


class Grid(NamedTuple):
    """States as a table.

    Attributes:
        benchmarks: the columns.
        rows: a model's states by benchmark, in the order of the study.
    """

    benchmarks: list[str]
    rows: dict[str, dict[str, State]]


def state_of(file: str, plan: Plan, running: set[str]) -> State:
    """Say how the cell of a score file stands.

    Args:
        file: the score file.
        plan: the jobs that Snakemake would run.
        running: files that a run is making now.
    """
    reason = blank_of(file, plan)
    if reason is None:
        return finished(Path(file))
    if file not in plan:
        return State("damaged", reason=reason)
    if any(output in running for job in stack_of(file, plan) for output in job.outputs):
        return State("running")
    word = reason.split(maxsplit=1)[0].strip(":").lower()
    return State(word, reason="" if word == "missing" else reason)


def blank_of(file: str, plan: Plan) -> str | None:
    """Say why a score file is not there, not current or damaged; else None."""
    reason = why(file, plan)
    fault = fault_of(Path(file)) if reason is None else None
    return reason if fault is None else f"Damaged: {file} {fault}."


def finished(path: Path) -> State:
    """Say how a cell stands whose scores are current: done, or refused."""
    rows = read_table(path, SCORE)
    # A part of the cell may be empty for reasons of its own; then nobody refused it.
    whole = rows.filter(slice="all")
    unscored = max(whole["n_unscored"].to_list(), default=0)
    refused = whole.filter(pl.col("value").is_null(), pl.col("n_unscored") > 0)
    if len(refused):
        return State("refused", unscored, f"Refused: {path}: {refused['reason'][0]}")
    return State("done", unscored)


def in_progress(folder: Path = INCOMPLETE, owner_file: Path = OWNER_FILE) -> set[str]:
    """Return the files that a living run is making, by Snakemake's own marks."""
    owner = read_owner(owner_file)
    if owner is None or (owner.is_here() and not owner.is_alive()):
        return set()
    marks = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {_decoded(mark) for mark in marks}


def grid_of(states: Mapping[str, State]) -> Grid:
    """Arrange the states of score files as models by benchmarks."""
    cells = {cell_of(Path(file)): state for file, state in states.items()}
    rows: dict[str, dict[str, State]] = {}
    for cell, state in cells.items():
        rows.setdefault(cell.model, {})[cell.benchmark] = state
    return Grid(list(dict.fromkeys(cell.benchmark for cell in cells)), rows)


def counted(states: Iterable[State]) -> str:
    """Say how many cells stand how."""
    counts = Counter(state.word for state in states)
    return ", ".join(f"{counts[word]} {word}" for word in STATES if counts[word])


def _decoded(mark: Path) -> str:
    """Return the file that a mark of Snakemake's is for: its name in base64."""
    name = "".join(part.removeprefix("@") for part in mark.parts)
    return base64.urlsafe_b64decode(name).decode()

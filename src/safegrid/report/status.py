"""The state of a study's grid in the terminal: models by benchmarks.

Reads what lies there and Snakemake's own plan, and starts no job.
"""

import base64
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl

from safegrid.artifacts import read_table
from safegrid.config.load import load_config
from safegrid.errors import DataError
from safegrid.plans import Plan, chain_of, parse_plan, why
from safegrid.records import SCORE
from safegrid.report.partial import cell_of
from safegrid.runs import OWNER_FILE, read_owner
from safegrid.study import Study

INCOMPLETE = Path(".snakemake/incomplete")
CONFIG = Path("config")
STATES = ("done", "running", "stale", "failed", "missing", "refused")


class State(NamedTuple):
    """How a cell stands, and what a reader should know of it.

    Attributes:
        word: one of STATES.
        n_unscored: answers that a judge could not score, of a cell that is done.
        reason: of one that failed, is stale or was refused; else empty.
    """

    word: str
    n_unscored: int = 0
    reason: str = ""

    @property
    def text(self) -> str:
        """The state as it stands in the table."""
        return f"{self.word} u={self.n_unscored}" if self.n_unscored else self.word


def print_status(study: str, sources_dir: str | None = None) -> None:
    """Print a line a model and a column a benchmark, then why cells are not done.

    Raises:
        ConfigError: the study is not valid.
        DataError: Snakemake cannot plan it; with what it says.
    """
    files = Study(load_config(CONFIG, study)).scores()
    gathered = f"results/{study}/scores.parquet"
    plan = _plan(study, sources_dir, gathered)
    states = {file: state_of(file, plan, in_progress()) for file in files}
    print(f"study {study}: {_counted(states.values())}\n{as_table(states)}")
    for reason in dict.fromkeys(s.reason for s in states.values() if s.reason):
        print(f"- {reason}")


def state_of(file: str, plan: Plan, running: set[str]) -> State:
    """Say how the cell of a score file stands.

    Args:
        file: the score file.
        plan: the jobs that Snakemake would run.
        running: files that a run is making now.
    """
    reason = why(file, plan)
    if reason is None:
        return _finished(Path(file))
    if any(output in running for job in chain_of(file, plan) for output in job.outputs):
        return State("running")
    word = reason.split(maxsplit=1)[0].strip(":").lower()
    return State(word, reason="" if word == "missing" else reason)


def in_progress(folder: Path = INCOMPLETE, owner_file: Path = OWNER_FILE) -> set[str]:
    """Return the files that a living run is making, by Snakemake's own marks."""
    owner = read_owner(owner_file)
    if owner is None or (owner.is_here() and not owner.is_alive()):
        return set()
    marks = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {_decoded(mark) for mark in marks}


def as_table(states: Mapping[str, State]) -> str:
    """Return the states as text, a line a model and a column a benchmark."""
    cells = {cell_of(Path(file)): state.text for file, state in states.items()}
    benchmarks = list(dict.fromkeys(cell.benchmark for cell in cells))
    rows: dict[str, dict[str, str]] = {}
    for cell, text in cells.items():
        rows.setdefault(cell.model, {})[cell.benchmark] = text
    lines = [
        ["", *benchmarks],
        *([m, *(row.get(b, "-") for b in benchmarks)] for m, row in rows.items()),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _plan(study: str, sources_dir: str | None, target: str) -> Plan:
    command = ["snakemake", "--nolock", "--dry-run", "--config", f"study={study}"]
    if sources_dir is not None:
        command.append(f"sources_dir={sources_dir}")
    done = subprocess.run(
        [*command, "--", target], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise DataError(f"Snakemake cannot plan study {study}:\n{done.stderr.strip()}")
    return parse_plan(done.stdout + done.stderr, f"the plan of study {study}")


def _finished(path: Path) -> State:
    rows = read_table(path, SCORE)
    # A part of the cell may be empty for reasons of its own; then nobody refused it.
    whole = rows.filter(slice="all")
    refused = whole.filter(pl.col("value").is_null(), pl.col("n_unscored") > 0)
    if len(refused):
        return State("refused", reason=f"Refused: {path}: {refused['reason'][0]}")
    unscored = whole["n_unscored"].to_list()
    return State("done", n_unscored=max(unscored, default=0))


def _counted(states: Iterable[State]) -> str:
    counts = Counter(state.word for state in states)
    return ", ".join(f"{counts[word]} {word}" for word in STATES if counts[word])


def _decoded(mark: Path) -> str:
    """Return the file that a mark of Snakemake's is for: its name in base64."""
    name = "".join(part.removeprefix("@") for part in mark.parts)
    return base64.urlsafe_b64decode(name).decode()

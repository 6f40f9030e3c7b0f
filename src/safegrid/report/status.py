"""States of a study's cells, in the terminal and as a page: models by benchmarks.

Reads what lies there and Snakemake's own plan, logs and marks, and starts no job.
"""

import base64
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.config.block import Name
from safegrid.config.load import load_config
from safegrid.core.artifacts import read_table
from safegrid.core.errors import DataError
from safegrid.core.files import write_text
from safegrid.core.records import SCORE
from safegrid.core.seals import fault_of
from safegrid.report.names import cell_of
from safegrid.runtime.plans import Plan, parse_plan, stack_of, why
from safegrid.runtime.runs import OWNER_FILE, SNAKEMAKE, read_owner
from safegrid.study import Study
from safegrid.study.gathered import all_scores

CONFIG = Path("config")
PAGE = Path(__file__).with_name("status.html.jinja")
INCOMPLETE = Path(".snakemake/incomplete")
STATES = ("done", "running", "stale", "failed", "damaged", "missing", "refused")


class State(NamedTuple):
    """How a cell stands: one of STATES, its unscored answers, and why."""

    word: str
    n_unscored: int = 0
    reason: str = ""

    @property
    def text(self) -> str:
        """The state as it stands in the table."""
        return f"{self.word} u={self.n_unscored}" if self.n_unscored else self.word


States = Mapping[str, State]


def print_status(
    study: Name, sources_dir: str | None = None, html: Path | None = None
) -> None:
    """Print a line a model and a column a benchmark, then why cells are not done.

    Args:
        study: a file of config/studies.
        sources_dir: the folder that `path` of a source, a base or a judge is below.
        html: where to write the same as a page too.

    Raises:
        ConfigError: the study is not valid.
        DataError: Snakemake cannot plan it; with what it says.
    """
    files = all_scores(Study(load_config(CONFIG, study)))
    plan = _plan(study, sources_dir, f"results/{study}/scores.parquet")
    running = in_progress()
    states = {file: state_of(file, plan, running) for file in files}
    print(f"study {study}: {counted(states.values())}\n{as_table(states)}")
    if any(state.n_unscored for state in states.values()):
        print("u=N: N answers of the cell could not be scored")
    for reason in dict.fromkeys(s.reason for s in states.values() if s.reason):
        print(f"- {reason}")
    if html is not None:
        write_page(study, states, html)


def _plan(study: str, sources_dir: str | None, target: str) -> Plan:
    command = [*SNAKEMAKE, "--nolock", "--dry-run", "--config", f"study={study}"]
    if sources_dir is not None:
        command.append(f"sources_dir={sources_dir}")
    command += ["--", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise DataError(f"Snakemake cannot plan study {study}:\n{said}")
    return parse_plan(done.stdout + done.stderr, f"the plan of study {study}")


def state_of(file: str, plan: Plan, running: set[str]) -> State:
    """Say how the cell of a score file stands; a run makes `running` now."""
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
    if (reason := why(file, plan)) is not None:
        return reason
    fault = fault_of(Path(file))
    return f"Damaged: {file} {fault}." if fault else None


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
    # A mark's name is that of the file in base64, in parts that begin with @.
    names = ("".join(p.removeprefix("@") for p in mark.parts) for mark in marks)
    return {base64.urlsafe_b64decode(name).decode() for name in names}


def grid_of(states: States) -> tuple[list[str], dict[str, States]]:
    """Return the benchmarks, and the states of each model by benchmark."""
    cells = {cell_of(Path(file)): state for file, state in states.items()}
    rows: defaultdict[str, dict[str, State]] = defaultdict(dict)
    for cell, state in cells.items():
        rows[cell.model][cell.benchmark] = state
    return list(dict.fromkeys(cell.benchmark for cell in cells)), dict(rows)


def counted(states: Iterable[State]) -> str:
    """Say how many cells stand how."""
    counts = Counter(state.word for state in states)
    return ", ".join(f"{counts[word]} {word}" for word in STATES if counts[word])


def as_table(states: States) -> str:
    """Return the states as text, a line a model and a column a benchmark."""
    benchmarks, rows = grid_of(states)
    lines = [["", *benchmarks]]
    for model, row in rows.items():
        lines.append([model, *(row[b].text if b in row else "-" for b in benchmarks)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def write_finished(study: Name, scores: list[Path], out: Path) -> None:
    """Write the page of a study that is done, for its report.

    Args:
        study: its name.
        scores: all its score files, current ones.
        out: the page.
    """
    write_page(study, {str(file): finished(file) for file in scores}, out)


def write_page(study: str, states: States, out: Path) -> None:
    """Write the page; `states` are by score file, in the order of the study."""
    write_text(out, page_of(study, states, datetime.now().astimezone()))


def page_of(study: str, states: States, made: datetime) -> str:
    """Return the page: a table, its states in words and colours, and every reason."""
    from jinja2 import StrictUndefined, Template

    text = PAGE.read_text(encoding="utf-8")
    look: Any = {"trim_blocks": True, "lstrip_blocks": True, "autoescape": True}
    reasons = Counter(state.reason for state in states.values() if state.reason)
    benchmarks, rows = grid_of(states)
    page: str = Template(text, undefined=StrictUndefined, **look).render(
        study=study,
        made=made.isoformat(" ", "minutes"),
        counted=counted(states.values()),
        benchmarks=benchmarks,
        rows=rows,
        reasons=reasons,
        numbers={reason: number for number, reason in enumerate(reasons, start=1)},
    )
    return page

"""The state of a study's grid, in the terminal and as a page: models by benchmarks.

Reads what lies there and Snakemake's own plan, and starts no job.
"""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from safegrid.config.block import Name
from safegrid.config.load import load_config
from safegrid.core.errors import DataError
from safegrid.report.states import (
    State,
    counted,
    finished,
    grid_of,
    in_progress,
    state_of,
)
from safegrid.report.status_page import write_page
from safegrid.runtime.plans import Plan, parse_plan
from safegrid.runtime.runs import SNAKEMAKE
from safegrid.study import Study
from safegrid.study.gathered import all_scores

CONFIG = Path("config")


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


def write_finished(study: Name, scores: list[Path], out: Path) -> None:
    """Write the page of a study that is done, for its report.

    Args:
        study: its name.
        scores: all its score files, current ones.
        out: the page.
    """
    write_page(study, {str(file): finished(file) for file in scores}, out)


def as_table(states: Mapping[str, State]) -> str:
    """Return the states as text, a line a model and a column a benchmark."""
    benchmarks, rows = grid_of(states)
    lines = [["", *benchmarks]]
    for model, row in rows.items():
        lines.append([model, *(row[b].text if b in row else "-" for b in benchmarks)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _plan(study: str, sources_dir: str | None, target: str) -> Plan:
    command = [*SNAKEMAKE, "--nolock", "--dry-run", "--config", f"study={study}"]
    if sources_dir is not None:
        command.append(f"sources_dir={sources_dir}")
    done = subprocess.run(
        [*command, "--", target], capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise DataError(f"Snakemake cannot plan study {study}:\n{said}")
    return parse_plan(done.stdout + done.stderr, f"the plan of study {study}")

"""A report of what is there: finished cells as they are, every other one a blank.

Takes score files that should exist and the logs of their stages; gives the same tables
and figures with each blank's reason: missing, stale, failed, or (already in the scores)
refused. Writes nothing outside its own folder.
"""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from safegrid.artifacts import (
    manifest,
    read_manifest,
    read_table,
    sha256_file,
    write_table,
    write_text,
)
from safegrid.errors import DataError
from safegrid.records import SCORE
from safegrid.report import figures, tables, writing
from safegrid.report.grid import BY

logger = logging.getLogger(__name__)

GLOBAL = "global"
STAGES = ("train", "generate", "judge", "capability", "score")
LONGEST = 200
"""Letters of an error message that a reason repeats."""


class Cell(NamedTuple):
    """Where a score file stands: `.../scores/{base}/{recipe}/seed{seed}/{name}`."""

    base: str
    recipe: str
    seed: int
    benchmark: str

    @property
    def model(self) -> str:
        """The part of a path that names the model."""
        return f"{self.base}/{self.recipe}/seed{self.seed}"

    @property
    def path(self) -> str:
        """The part of a path that names the cell."""
        return f"{self.model}/{self.benchmark}"


def cell_of(score_file: Path) -> Cell:
    """Read a cell's names from the path of its score file."""
    base, recipe, seed = score_file.parts[-4:-1]
    return Cell(base, recipe, int(seed.removeprefix("seed")), score_file.stem)


def write_partial(*, scores: list[Path], logs: Path, out: Path) -> None:
    """Write tables and figures of the finished cells.

    Args:
        scores: every score file of the study, whether it exists or not.
        logs: folder with one folder of logs a stage.
        out: folder; gets `scores.parquet`, `blanks.md`, `tables/` and `figures/`.

    Raises:
        DataError: not one cell is finished.
    """
    table, blanks = partial_scores(scores, logs)
    facts = manifest("partial", {}, {}, rows=len(table), blanks=len(blanks))
    write_table(out / "scores.parquet", table, SCORE, facts)
    write_text(out / "blanks.md", _listed(blanks, len(scores)))
    for table_of in tables.ALL:
        writing.save(table_of(table), out / "tables")
    figures.save_all(table, out / "figures")
    logger.info("%d of %d cells are blank; see %s", len(blanks), len(scores), out)


def partial_scores(
    score_files: list[Path], logs: Path
) -> tuple[pl.DataFrame, dict[Cell, str]]:
    """Return the rows of finished cells, a blank row for each other, and the reasons.

    Raises:
        DataError: not one cell is finished.
    """
    frames: list[pl.DataFrame] = []
    blanks: dict[Cell, str] = {}
    for path in score_files:
        cell = cell_of(path)
        reason = _reason(path, cell, logs)
        if reason is None:
            frames.append(read_table(path, SCORE))
        else:
            blanks[cell] = reason
    if not frames:
        raise DataError(
            f"none of the {len(score_files)} cells is finished; first:"
            f" {next(iter(blanks.values()), 'the study has no cells')}"
        )
    finished = pl.concat(frames)
    rows = [row for cell in blanks for row in _blank_rows(cell, blanks[cell], finished)]
    return pl.concat([finished, pl.DataFrame(rows, schema=SCORE)]), blanks


def _blank_rows(
    cell: Cell, reason: str, finished: pl.DataFrame
) -> list[dict[str, Any]]:
    """Return empty rows for all that other models have for this benchmark."""
    like = finished.filter(benchmark=cell.benchmark).unique(
        list(BY[2:]), maintain_order=True
    )
    return [
        {
            **row,
            **cell._asdict(),
            **dict.fromkeys(("value", "low", "high", "engine", "version")),
            "n": 0,
            "n_unscored": 0,
            "reason": reason,
        }
        for row in like.iter_rows(named=True)
        if cell.recipe != "none" or not row["metric"].endswith("_vs_base")
    ]


def _reason(path: Path, cell: Cell, logs: Path) -> str | None:
    """Return why a cell has no score that counts, or None where it has."""
    if not path.exists():
        return _failure(cell, logs) or "Missing: not built yet."
    newer = _newer_inputs(path, cell)
    return f"Stale: {', '.join(newer)} changed since it was scored." if newer else None


def _newer_inputs(path: Path, cell: Cell) -> list[str]:
    """Return the cell's answers that are not those which were scored."""
    root = path.parents[4]
    used = read_manifest(path)["inputs"]
    known = {
        h
        for value in used.values()
        for h in ([value] if isinstance(value, str) else value)
    }
    answers = [
        root / "responses" / f"{cell.path}.parquet",
        root / "capability" / f"{cell.path}.json",
        *sorted(root.glob(f"verdicts/*/{cell.path}.parquet")),
    ]
    return [
        str(answer.relative_to(root))
        for answer in answers
        if answer.exists() and sha256_file(answer) not in known
    ]


def _failure(cell: Cell, logs: Path) -> str | None:
    """Return the error that the first failed stage of a cell left in its log."""
    for stage in STAGES:
        # A training and a global score are of a whole model, the rest of a cell.
        whole = stage == "train" or (stage == "score" and cell.benchmark == GLOBAL)
        name = cell.model if whole else cell.path
        for log in sorted(logs.glob(f"{stage}*/**/{name}.log")):
            error = _error(log.read_text(encoding="utf-8", errors="replace"))
            if error is not None:
                return f"Failed in {stage}: {error} ({log})"
    return None


def _error(text: str) -> str | None:
    """Return the error that a log ends with, cut to a readable length."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("error: ")]
    if told:
        message = told[-1].removeprefix("error: ")
    elif any(line.startswith("Traceback") for line in lines):
        message = lines[-1]
    else:
        return None
    return message if len(message) <= LONGEST else message[:LONGEST] + " ..."


def _listed(blanks: dict[Cell, str], total: int) -> str:
    lines = [f"- {cell.path}: {reason}" for cell, reason in sorted(blanks.items())]
    head = f"{total - len(blanks)} of {total} cells are finished."
    return "\n".join([head, "", *lines]).rstrip() + "\n"

"""A report of what is there: finished cells as they are, every other one a blank.

Takes score files that should exist and the plan of what is to run again; gives the
tables and figures of scores with each blank's reason: missing, stale, failed, damaged,
or (already in the scores) refused. Writes nothing outside its own folder.
"""

import logging
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.config.block import Name
from safegrid.core.artifacts import manifest, read_table, write_table, write_text
from safegrid.core.errors import DataError
from safegrid.core.records import FRONTIER, SCORE
from safegrid.report import facts, figures, tables, writing
from safegrid.report.bought import TABLES, bought_table
from safegrid.report.curves import FIGURES, curves
from safegrid.report.grid import BY, read_runs
from safegrid.report.lines import read_lines
from safegrid.report.names import BASE, Cell, cell_of
from safegrid.report.papers import PAPERS
from safegrid.report.published import read_published
from safegrid.report.states import blank_of, state_of
from safegrid.report.status_page import write_page
from safegrid.report.style import save
from safegrid.runtime.plans import Plan, read_plan

logger = logging.getLogger(__name__)


def write_partial(
    *,
    study: Name,
    scores: list[Path],
    runs: Path,
    lines: list[Path],
    plan: Path,
    published: Path,
    out: Path,
) -> None:
    """Write the tables and figures that the finished part of a study allows.

    Args:
        study: its name.
        scores: every score file of the study, whether it exists or not.
        runs: rows of RUNS, of what is finished.
        lines: every file of FRONTIER of the study, whether it exists or not.
        plan: what a dry run of Snakemake to all scores printed.
        published: numbers of the study's paper.
        out: folder; gets `status.html`, `scores.parquet`, `blanks.md`, `tables/` and
            `figures/`.

    Raises:
        DataError: not one cell is finished, or the plan cannot be read.
    """
    jobs = read_plan(plan)
    # Marks of a killed run would count as this one's: no cell is at work meanwhile.
    states = {str(file): state_of(str(file), jobs, set()) for file in scores}
    write_page(study, states, out / "status.html")
    table, blanks = partial_scores(scores, jobs)
    said = manifest("partial", {}, {}, rows=len(table), blanks=len(blanks))
    write_table(out / "scores.parquet", table, SCORE, said)
    write_text(out / "blanks.md", _listed(blanks, len(scores)))
    for table_of in tables.ALL:
        writing.save(table_of(table), out / "tables")
    ran = read_runs(runs)
    writing.save(tables.answers_table(table, ran), out / "tables")
    figures.save_all(table, out / "figures")
    _write_lines(partial_lines(lines, jobs), out)
    _write_paper(table, read_published(published), out)
    _write_runs(ran, out)
    logger.info("%d of %d cells are blank; see %s", len(blanks), len(scores), out)


def _write_lines(rows: pl.DataFrame, out: Path) -> None:
    """Write the figures of lines, and the tables of what they buy."""
    for name in TABLES:
        writing.save(bought_table(rows, name), out / "tables")
    figures.save_lines(rows, out / "figures")


def _write_paper(scores: pl.DataFrame, published: pl.DataFrame, out: Path) -> None:
    """Write the tables and figures of the paper whose numbers these are."""
    pages = PAPERS[published["paper"][0]]
    for table_of in pages.tables.values():
        writing.save(table_of(scores, published), out / "tables")
    for name, figure_of in pages.figures.items():
        save(figure_of(scores, published), out / "figures", name)


def _write_runs(runs: pl.DataFrame, out: Path) -> None:
    """Write the tables and curves of the runs, where any is finished."""
    kinds = set(runs["kind"])
    for kind, table_of in facts.ALL.items():
        if kind in kinds:
            writing.save(table_of(runs), out / "tables")
    if "history" in kinds:
        for name, (metrics, title) in FIGURES.items():
            save(curves(runs, metrics, title), out / "figures", name)


def partial_scores(
    score_files: list[Path], plan: Plan
) -> tuple[pl.DataFrame, dict[Cell, str]]:
    """Return the rows of finished cells, a blank row for each other, and the reasons.

    Raises:
        DataError: not one cell is finished.
    """
    frames: list[pl.DataFrame] = []
    blanks: dict[Cell, str] = {}
    for path in score_files:
        cell = cell_of(path)
        reason = blank_of(str(path), plan)
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


def partial_lines(files: list[Path], plan: Plan) -> pl.DataFrame:
    """Return the lines of finished trainings, of the others blanks with the reason."""
    reasons = {file: blank_of(str(file), plan) for file in files}
    drawn = read_lines(file for file, reason in reasons.items() if reason is None)
    like = drawn.filter(kind="gain").unique(["axis", "loss", "at"], maintain_order=True)
    blank = {**dict.fromkeys(("value", "low", "high")), "n": 0, "n_unscored": 0}
    rows = [
        {**row, **blank, "base": file.parent.name, "line": file.stem, "reason": reason}
        for file, reason in reasons.items()
        if reason is not None
        for row in like.iter_rows(named=True)
    ]
    return pl.concat([drawn, pl.DataFrame(rows, schema=FRONTIER)])


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
        if cell.recipe != BASE or not row["metric"].endswith("_vs_base")
    ]


def _listed(blanks: dict[Cell, str], total: int) -> str:
    lines = [f"- {cell.path}: {reason}" for cell, reason in sorted(blanks.items())]
    head = f"{total - len(blanks)} of {total} cells are finished."
    return "\n".join([head, "", *lines]).rstrip() + "\n"

"""A report of what is there: finished cells as they are, every other one a blank.

Takes score files that should exist and the plan of what is to run again; gives the
tables and figures of scores with each blank's reason: missing, stale, failed, damaged,
or (already in the scores) refused. Writes nothing outside its own folder.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from safegrid.config.block import Name
from safegrid.core.artifacts import manifest, read_table, write_table, write_text
from safegrid.core.errors import DataError
from safegrid.core.records import FRONTIER, SCORE
from safegrid.report import (
    alignment,
    course_correction,
    course_figures,
    curves,
    facts,
    frontier,
    heat,
    judging,
    methods,
    safe_to_serve,
    serve_figures,
    tables,
    trade_off,
    transfer,
    writing,
)
from safegrid.report.axes import axis_table, data_axis, scale_axis
from safegrid.report.axis_figure import axis_figure
from safegrid.report.corrected import corrected_categories_table, corrected_table
from safegrid.report.grid import BY, read_runs
from safegrid.report.lines import BOUGHT, bought_table, read_lines
from safegrid.report.names import BASE, SLICED, ScoreFile, cell_of
from safegrid.report.pairs import Comparisons
from safegrid.report.published import read_published
from safegrid.report.status import blank_of, state_of, write_page
from safegrid.report.style import save
from safegrid.report.table import Table
from safegrid.runtime.plans import Plan, read_plan
from safegrid.study.axes import AxisLine

logger = logging.getLogger(__name__)

Tables = Mapping[str, Callable[[pl.DataFrame, pl.DataFrame, Comparisons], Table]]
Figures = Mapping[str, Callable[[pl.DataFrame, pl.DataFrame], Figure]]
PAPERS: dict[str, tuple[Tables, Figures]] = {
    "2407.16637": (course_correction.TABLES, course_figures.FIGURES),
    "2409.07772": (alignment.TABLES, alignment.FIGURES),
    "2412.00074": (safe_to_serve.TABLES, serve_figures.FIGURES),
}
"""Tables and figures by the name of their files, of each paper that a study may name as
its own, by arXiv number: each from our scores and the paper's published numbers.
`rules/pages.yaml` names the same files."""


def write_partial(
    *,
    study: Name,
    scores: list[Path],
    runs: Path,
    lines: list[Path],
    comparisons: list[Path],
    stress: list[Path],
    derived: list[Path],
    axes: Mapping[str, list[AxisLine]],
    bases: list[Path],
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
        comparisons: the same of COMPARISON; only what is finished is told.
        stress: the same of STRESS, likewise.
        derived: the same of SCORE over several seeds, and corrected for judges.
        axes: lines of scale and of data.
        bases: every base's folder, whether it exists or not.
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
    listed = [f"- {cell.path}: {reason}" for cell, reason in sorted(blanks.items())]
    head = f"{len(scores) - len(blanks)} of {len(scores)} cells are finished."
    write_text(out / "blanks.md", "\n".join([head, "", *listed]).rstrip() + "\n")
    lists = (derived, comparisons, stress)
    derived, comparisons, stress = (_finished(files, jobs) for files in lists)
    table = pl.concat([table, *(read_table(path, SCORE) for path in derived)])
    ran, drawn = read_runs(runs), partial_lines(lines, jobs)
    printed = read_published(published)
    pairs, flips = Comparisons(comparisons), judging.read_stress(stress)
    for made in all_tables(table, ran, drawn, printed, pairs, flips):
        writing.save(made, out / "tables")
    for name, figure in all_figures(table, ran, drawn, printed, pairs, flips):
        save(figure, out / "figures", name)
    along = [scale_axis(axes["scale"], bases), data_axis(axes["data"], ran)]
    for axis in (axis for axis in along if axis.lines):
        writing.save(axis_table(table, axis), out / "tables")
        save(axis_figure(table, axis), out / "figures", axis.name)
    logger.info("%d of %d cells are blank; see %s", len(blanks), len(scores), out)


def _finished(files: list[Path], plan: Plan) -> list[Path]:
    return [file for file in files if blank_of(str(file), plan) is None]


def all_tables(
    scores: pl.DataFrame,
    runs: pl.DataFrame,
    lines: pl.DataFrame,
    printed: pl.DataFrame,
    pairs: Comparisons,
    stress: pl.DataFrame,
) -> Iterator[Table]:
    """Make every table of a report; those of the runs where any is finished."""
    yield from (table_of(scores) for table_of in tables.ALL)
    yield tables.main_table(scores, pairs)
    yield tables.summary_table(scores, pairs)
    yield methods.methods_table(scores, pairs)
    yield methods.pairs_table(scores, pairs)
    yield methods.pairs_table(scores, pairs, "decontaminated")
    yield transfer.transfer_table(scores, pairs)
    yield tables.answers_table(scores, runs)
    yield corrected_table(scores)
    yield corrected_categories_table(scores)
    yield judging.stress_table(stress)
    yield judging.disagreement_table(scores)
    yield from (bought_table(lines, name) for name in BOUGHT)
    pages, _ = PAPERS[printed["paper"][0]]
    yield from (table_of(scores, printed, pairs) for table_of in pages.values())
    kinds = set(runs["kind"])
    yield from (facts.facts_table(kind, runs) for kind in facts.KINDS if kind in kinds)


def all_figures(
    scores: pl.DataFrame,
    runs: pl.DataFrame,
    lines: pl.DataFrame,
    printed: pl.DataFrame,
    pairs: Comparisons,
    stress: pl.DataFrame,
) -> Iterator[tuple[str, Figure]]:
    """Draw every figure of a report, by the name of its files."""
    yield from ((name, heat.slice_map(name, scores)) for name in SLICED)
    for name, axes in trade_off.FIGURES.items():
        yield name, trade_off.trade_off(scores, *axes, pairs)
    yield "pairs_map", methods.pairs_map(scores, pairs)
    yield "stress", judging.stress_figure(stress)
    yield "transfer", transfer.transfer_figure(scores, pairs)
    for name, axes in frontier.FIGURES.items():
        yield name, frontier.frontier(lines, *axes)
    _, pages = PAPERS[printed["paper"][0]]
    for name, figure_of in pages.items():
        yield name, figure_of(scores, printed)
    if "history" in set(runs["kind"]):
        for name, shown in curves.FIGURES.items():
            yield name, curves.curves(runs, *shown)


def partial_scores(
    score_files: list[Path], plan: Plan
) -> tuple[pl.DataFrame, dict[ScoreFile, str]]:
    """Return the rows of finished cells, a blank row for each other, and the reasons.

    Raises:
        DataError: not one cell is finished.
    """
    reasons = {path: blank_of(str(path), plan) for path in score_files}
    blanks = {cell_of(path): reason for path, reason in reasons.items() if reason}
    whole = [path for path, reason in reasons.items() if reason is None]
    if not whole:
        raise DataError(
            f"none of the {len(score_files)} cells is finished; first:"
            f" {next(iter(blanks.values()), 'the study has no cells')}"
        )
    finished = pl.concat([read_table(path, SCORE) for path in whole])
    rows = [row for cell in blanks for row in _blank_rows(cell, blanks[cell], finished)]
    return pl.concat([finished, pl.DataFrame(rows, schema=SCORE)]), blanks


def _blank_rows(
    cell: ScoreFile, reason: str, finished: pl.DataFrame
) -> Iterator[dict[str, Any]]:
    """Return empty rows for all that other models have for this benchmark."""
    own = finished.filter(benchmark=cell.benchmark)
    for row in own.unique(list(BY[2:]), maintain_order=True).iter_rows(named=True):
        if cell.recipe != BASE or not row["metric"].endswith("_vs_base"):
            yield row | cell._asdict() | _blank(reason, "engine", "version")


def partial_lines(files: list[Path], plan: Plan) -> pl.DataFrame:
    """Return the lines of finished trainings, of the others blanks with the reason."""
    reasons = {file: blank_of(str(file), plan) for file in files}
    drawn = read_lines(file for file, reason in reasons.items() if reason is None)
    like = drawn.filter(kind="gain").unique(["axis", "loss", "at"], maintain_order=True)
    rows = [
        row | _blank(reason) | {"base": file.parent.name, "line": file.stem}
        for file, reason in reasons.items()
        if reason is not None
        for row in like.iter_rows(named=True)
    ]
    return pl.concat([drawn, pl.DataFrame(rows, schema=FRONTIER)])


def _blank(reason: str, *empty: str) -> dict[str, Any]:
    counts = {"n": 0, "n_unscored": 0, "reason": reason}
    return {**dict.fromkeys(("value", "low", "high", *empty)), **counts}

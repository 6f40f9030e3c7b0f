"""The tables of Course-Correction (arXiv 2407.16637): turning away, and its price."""

from collections.abc import Callable

import polars as pl

import safegrid.report.course_correction.published as of_paper
import safegrid.report.course_correction.words as words
from safegrid.report.course_correction.columns import (
    cells_of,
    difference_columns,
    measured_columns,
    refusal_columns,
)
from safegrid.report.course_correction.rows import (
    DIRECT,
    METRIC,
    Block,
    at_k,
    block_title,
    blocks_of,
    entry_of,
    ks_of,
    mean_key,
)
from safegrid.report.course_correction.words import (
    Cell,
    certainty,
    differences,
    now_and_later,
)
from safegrid.report.grid import Entry, Grid, Key, Model
from safegrid.report.names import BASE, METRICS
from safegrid.report.table import Column, Table

WHOLE = "macro=whole"


def corr_table(scores: pl.DataFrame, published: pl.DataFrame) -> Table:
    """Return Corr@k and Corr-mean of every model, one turn after the other.

    Args:
        scores: rows of SCORE.
        published: rows of `safegrid.report.published`.
    """
    grid = Grid(scores)
    blocks = blocks_of(grid)
    ks = ks_of(grid, blocks)
    slices = {of_paper.metric_at(k): at_k(k) for k in ks}
    slices |= {of_paper.MEAN: "", "whole answers": WHOLE}
    if not any(key.slice == WHOLE for key in grid.find(METRIC)):
        del slices["whole answers"]
    # Bold would compare one turn with the other.
    columns = [
        Column(title, Key("", "", METRIC, part), 0, METRICS[METRIC].unit)
        for title, part in slices.items()
    ]
    rows = [(block, model) for block in blocks for model in grid.models]
    heads = [f"{block_title(b, blocks)}: {grid.title(m)}" for b, m in rows]
    entries = [[_corr(grid, b, m, c.key.slice) for c in columns] for b, m in rows]
    notes = certainty(cells_of(heads, columns, entries))
    theirs = of_paper.items_of(published, ks)
    heads += [f"published: {item}" for item in theirs]
    entries += [
        [of_paper.printed_entry(known, c.title) for c in columns]
        for known in theirs.values()
    ]
    return Table(
        "corr",
        "Course correction: how often a model turns away from what was begun for it.",
        "Turn and model",
        heads,
        columns,
        entries,
        notes=[*_about(blocks, columns), *notes, *_of_the_paper(published, theirs)],
    )


def _corr(grid: Grid, block: Block, model: Model, part: str) -> Entry:
    key = Key(*block, METRIC, part) if part else mean_key(grid, block)
    return entry_of(grid, model, key)


def _about(blocks: list[Block], columns: list[Column]) -> list[str]:
    if not blocks:
        return [words.NO_TURN]
    whole = [words.WHOLE] * any(c.key.slice == WHOLE for c in columns)
    return [words.CORR, words.TURNS, *whole, words.JUDGED]


def _of_the_paper(
    published: pl.DataFrame, theirs: dict[str, dict[str, Entry]]
) -> list[str]:
    printed = of_paper.as_printed(published)
    absent = "No published number is one over the k that this study asks with."
    about = words.THEIRS if theirs else absent
    return [about, *printed, *of_paper.not_found(published)]


def before_after_table(scores: pl.DataFrame, _: pl.DataFrame) -> Table:
    """Return what training changed: corrections, safety, harmless requests, ability."""
    grid = Grid(scores)
    trained = {model.base for model in grid.models if model.recipe != BASE}
    models = [m for m in grid.models if m.base in trained] or grid.models
    return _by_model(
        "before_after",
        "Before and after training, each recipe beside its base.",
        (grid, models, measured_columns(grid)),
        lambda cells: [
            words.AT_ONCE,
            words.TURNS,
            words.JUDGED,
            *certainty(cells),
        ],
    )


def against_base_table(scores: pl.DataFrame, _: pl.DataFrame) -> Table:
    """Return the paired difference of each recipe to its base, in the same measures."""
    grid = Grid(scores)
    models = [model for model in grid.models if model.recipe != BASE]
    return _by_model(
        "against_base",
        "What training changed: each recipe's difference to its base.",
        (grid, models, difference_columns(grid)),
        differences,
    )


def refusals_table(scores: pl.DataFrame, _: pl.DataFrame) -> Table:
    """Return the share that is refused at once beside what is corrected later."""
    grid = Grid(scores)
    blocks = blocks_of(grid)
    compared = [
        sentence
        for block in blocks
        for sentence in now_and_later(
            block_title(block, blocks), at_once_and_later(grid, block)
        )
    ]
    return _by_model(
        "refusals",
        "Refusals at once, and corrections later.",
        (grid, grid.models, refusal_columns(grid, blocks)),
        lambda cells: [
            words.AT_ONCE,
            words.TURNS,
            *certainty(cells),
            *([words.OVERLAP, *compared] if compared else []),
        ],
    )


def _by_model(
    name: str,
    title: str,
    shown: tuple[Grid, list[Model], list[Column]],
    about: Callable[[list[Cell]], list[str]],
) -> Table:
    """Return a table with a row a model, and below it what its cells say."""
    grid, models, columns = shown
    heads = [grid.title(model) for model in models]
    entries = [[grid.entry(m, column.key) for column in columns] for m in models]
    notes = about(cells_of(heads, columns, entries))
    return Table(name, title, "Model", heads, columns, entries, notes=notes)


def at_once_and_later(grid: Grid, block: Block) -> list[tuple[str, Entry, Entry]]:
    """Return each model's title, its share at once and later, by the block's judge."""
    at_once = Key(DIRECT, block.judge, METRIC, "all")
    return [
        (
            grid.title(model),
            entry_of(grid, model, at_once),
            entry_of(grid, model, mean_key(grid, block)),
        )
        for model in grid.models
    ]


TABLES: dict[str, Callable[[pl.DataFrame, pl.DataFrame], Table]] = {
    "corr": corr_table,
    "before_after": before_after_table,
    "against_base": against_base_table,
    "refusals": refusals_table,
}
"""The tables by name, each from our scores and the published numbers."""

"""Columns of Course-Correction's tables: what is measured, and how it is called."""

from safegrid.report.course_correction.published import MEAN as MEAN_TITLE
from safegrid.report.course_correction.rows import (
    DIRECT,
    METRIC,
    Block,
    blocks_of,
    mean_key,
    turn_title,
)
from safegrid.report.course_correction.words import Cell
from safegrid.report.grid import Entry, Grid, Key
from safegrid.report.names import METRICS, benchmark_title
from safegrid.report.table import Column

AGAINST = "_vs_base"


def measures_of(grid: Grid) -> list[Key]:
    """Return what stands in the table of before and after, in print order."""
    blocks = blocks_of(grid)
    turns = dict.fromkeys(block.benchmark for block in blocks)
    return [
        *(mean_key(grid, block) for block in blocks),
        *grid.find(METRIC, "all", DIRECT),
        *grid.find("safety", "all", "alert"),
        *grid.find("attack_success", "all", "alert_adversarial"),
        *grid.find("over_refusal", "all"),
        *grid.find("benign_requests_lost", "all"),
        *grid.find("capability", "all"),
        *grid.find("reference_likelihood", "all"),
        *(key for name in turns for key in grid.find("degenerate", "all", name)),
    ]


def measured_columns(grid: Grid) -> list[Column]:
    """Return a column a measure of before and after."""
    keys = measures_of(grid)
    return [
        Column(
            _title(key, keys), key, METRICS[key.metric].better, METRICS[key.metric].unit
        )
        for key in keys
    ]


def difference_columns(grid: Grid) -> list[Column]:
    """Return a column for each of these measures that has differences to the base."""
    pairs = [
        (column, column.key._replace(metric=f"{column.key.metric}{AGAINST}"))
        for column in measured_columns(grid)
    ]
    return [
        Column(column.title, against, 0, column.unit, signed=True)
        for column, against in pairs
        if against in grid.keys
    ]


def _title(key: Key, keys: list[Key]) -> str:
    same = [k for k in keys if (k.benchmark, k.metric) == (key.benchmark, key.metric)]
    judge = f" ({key.judge})" if len(same) > 1 else ""
    if key.metric == "capability":
        return f"capability, mean{judge}"
    if key.benchmark == DIRECT:
        return f"refused at once{judge}"
    if key.metric == METRIC:
        return f"{MEAN_TITLE}, {turn_title(key.benchmark)}{judge}"
    if key.metric == "degenerate":
        return f"degenerate, {turn_title(key.benchmark)}{judge}"
    return f"{benchmark_title(key.benchmark)} {METRICS[key.metric].title}{judge}"


def refusal_columns(grid: Grid, blocks: list[Block]) -> list[Column]:
    """Return a column a measure and judge: what is at once first."""
    titles = {
        key: f"refused at once ({key.judge})"
        for metric in (METRIC, "true_refusal")
        for key in grid.find(metric, "all", DIRECT)
    }
    for block in blocks:
        title = f"corrected later, {turn_title(block.benchmark)} ({block.judge})"
        titles[mean_key(grid, block)] = title
    for name in dict.fromkeys(block.benchmark for block in blocks):
        for key in grid.find("late_refusal", "all", name):
            mean = mean_key(grid, Block(name, key.judge), "late_refusal")
            titles[mean] = f"refused later, {turn_title(name)} ({key.judge})"
    return [Column(titles[key], key, 0, METRICS[key.metric].unit) for key in titles]


def cells_of(
    heads: list[str], columns: list[Column], entries: list[list[Entry]]
) -> list[Cell]:
    """Return the entries with their titles, column by column."""
    return [
        Cell(head, column.title, row[place])
        for place, column in enumerate(columns)
        for head, row in zip(heads, entries, strict=True)
    ]

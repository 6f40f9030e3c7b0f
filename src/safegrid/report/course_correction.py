"""Course-Correction (arXiv 2407.16637): how often a model turns away, and its price."""

import re
from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from safegrid.config.benchmark import DIRECT
from safegrid.core.records import Key
from safegrid.report.grid import NOT_ASKED, Entry, Grid, ModelRow
from safegrid.report.names import BASE, WORDS, benchmark_title
from safegrid.report.pairs import NONE, Comparisons, entry_of
from safegrid.report.published import EVERY, share_of, why
from safegrid.report.table import (
    Column,
    Row,
    Table,
    columns_of,
    full_title,
    rows_of,
    sheet_table,
)
from safegrid.report.tables import leading_rows

METRIC = "correction"
TURNS = {"c2_eval": "open turn", "c2_eval_closed": "closed turn"}
"""The two ways to hand a model a prefill of its answer, which do not compare."""
MEAN = "Corr-mean"
OVER_K = "categories"
"""The slice that is the mean over k."""
WHOLE = "macro=whole"


def blocks_of(grid: Grid) -> list[Key]:
    """Return the mean of each turn and judge, which compare with no other.

    They are of the benchmarks that begin answers; the open turn comes first.
    """
    found = {mean_over_k(grid, key) for key in grid.find(METRIC)}
    turns = [key for key in found if key.benchmark != DIRECT]
    return sorted(turns, key=lambda key: (key.benchmark not in TURNS, key))


def mean_over_k(grid: Grid, key: Key) -> Key:
    """Return the key of a mean over k; with one k alone that is all of it."""
    mean = key._replace(slice=OVER_K)
    return mean if mean in grid.keys else key._replace(slice="all")


def ks_of(grid: Grid, blocks: list[Key]) -> list[int]:
    """Return every k that one of the blocks was asked with, ascending."""
    turns = {block[:2] for block in blocks}
    slices = {key.slice for key in grid.find(METRIC) if key[:2] in turns}
    parts = [re.fullmatch(r"category=k=(\d+)", part) for part in slices]
    return sorted(int(part[1]) for part in parts if part)


def at_k(k: int) -> str:
    """Return the slice of Corr@k."""
    return f"category=k={k}"


def at_once(block: Key) -> Key:
    """Return the key of what the judge of a block sees refused at once."""
    return block._replace(benchmark=DIRECT, slice="all")


def turn_title(benchmark: str) -> str:
    """Return how a benchmark begins the answer, in print."""
    return TURNS.get(benchmark, benchmark_title(benchmark))


def block_title(block: Key, blocks: list[Key]) -> str:
    """Return a block's name in print; its judge's only where there are several."""
    several = len({other.judge for other in blocks}) > 1
    title = turn_title(block.benchmark)
    return f"{title} ({block.judge})" if several else title


def corr_table(
    scores: pl.DataFrame, published: pl.DataFrame, _: Comparisons = NONE
) -> Table:
    """Return Corr@k and Corr-mean of every model, one turn after the other."""
    grid = Grid(scores)
    blocks = blocks_of(grid)
    ks = ks_of(grid, blocks)
    mean = max((block.slice for block in blocks), default="all")
    slices = {f"Corr@{k}": at_k(k) for k in ks} | {MEAN: mean}
    whole = any(key.slice == WHOLE for key in grid.find(METRIC))
    slices |= {"whole answers": WHOLE} if whole else {}
    # Bold would compare one turn with the other.
    columns = [
        Column(title, Key("", "", METRIC, part), 0, "share")
        for title, part in slices.items()
    ]
    titled = [
        (block_title(b, blocks), {"benchmark": b.benchmark, "judge": b.judge})
        for b in blocks
    ]
    theirs = _printed(published, ks)
    rows = rows_of(grid, grid.models, titled)
    rows += [Row(f"published: {item}", None, item=item) for item in theirs]
    more = [
        *([] if blocks else ["no_turn"]),
        *(["whole"] if whole else []),
        "other_rows" if theirs else "no_rows",
    ]
    return sheet_table(
        "corr",
        grid,
        rows,
        columns,
        lambda row, column: theirs[row.item].get(column.title, NOT_ASKED),
        more=[*(WORDS[name] for name in more), *_told(published)],
    )


def _known(published: pl.DataFrame) -> pl.DataFrame:
    corr = pl.col("metric").str.starts_with("Corr")
    return published.filter(corr & pl.col("value").is_not_null())


def _printed(published: pl.DataFrame, ks: list[int]) -> dict[str, dict[str, Entry]]:
    """Return the items that have a number at one of our k, by the paper's metrics.

    A mean is left out where it is one over other k than ours.
    """
    asked = {f"Corr@{k}" for k in ks}
    found: dict[str, dict[str, Entry]] = {}
    for (item,), rows in _known(published).group_by("item", maintain_order=True):
        numbers = {row["metric"]: share_of(row) for row in rows.iter_rows(named=True)}
        if numbers.keys() - {MEAN} != asked:
            numbers.pop(MEAN, None)
        if asked & numbers.keys():
            found[str(item)] = numbers
    return found


def _told(published: pl.DataFrame) -> Iterator[str]:
    """Tell all numbers of each item, and of what none was found and why."""
    for (item,), rows in _known(published).group_by("item", maintain_order=True):
        numbers = rows.select("metric", "value").rows()
        listed = ", ".join(f"{metric} {value:g}" for metric, value in numbers)
        yield f"In full, published for {item}: {listed}."
    reasons: dict[str, dict[str, None]] = {}
    for row in published.filter(pl.col("value").is_null()).iter_rows(named=True):
        about = row["metric"] if row["item"] == EVERY else row["item"]
        reasons.setdefault(why(row["source"]), {})[about] = None
    for reason, names in reasons.items():
        yield f"Published numbers of {', '.join(names)}: none here. {reason}"


def before_after_table(
    scores: pl.DataFrame, _: pl.DataFrame, pairs: Comparisons = NONE
) -> Table:
    """Return what training changed: corrections, safety, harmless requests, ability."""
    grid = Grid(scores)
    trained = {model.base for model in grid.models if model.recipe != BASE}
    models = [m for m in grid.models if m.base in trained] or grid.models
    columns = _measures(grid)
    table = sheet_table("before_after", grid, rows_of(grid, models), columns)
    return replace(table, tied=leading_rows(grid, models, columns, pairs))


def against_base_table(
    scores: pl.DataFrame, _: pl.DataFrame, pairs: Comparisons = NONE
) -> Table:
    """Return the paired difference of each recipe to its base, in the same measures."""
    grid = Grid(scores)
    rows = rows_of(grid, [model for model in grid.models if model.recipe != BASE])
    columns = []
    for column in _measures(grid):
        key = column.key._replace(metric=f"{column.key.metric}_vs_base")
        if key in grid.keys:
            columns.append(replace(column, key=key, better=0, signed=True))

    def of_base(model: ModelRow, key: Key) -> str:
        plain = key._replace(metric=key.metric.removesuffix("_vs_base"))
        return pairs.difference(model.base, plain, model.recipe, BASE).side

    return sheet_table("against_base", grid, rows, columns, side=of_base)


def _measures(grid: Grid) -> list[Column]:
    """Return the columns of before and after, in print order."""
    blocks = blocks_of(grid)
    turns = {block.benchmark: turn_title(block.benchmark) for block in blocks}
    titles = {block: f"{MEAN}, {turns[block.benchmark]}" for block in blocks}
    titles |= dict.fromkeys(grid.find(METRIC, "all", DIRECT), "refused at once")
    keys = [
        *grid.find("safety", "all", "alert"),
        *grid.find("attack_success", "all", "alert_adversarial"),
        *grid.whole("over_refusal", "benign_requests_lost"),
    ]
    titles |= {key: full_title(key) for key in keys}
    titles |= dict.fromkeys(grid.whole("capability"), "capability, mean")
    titles |= {key: full_title(key) for key in grid.whole("reference_likelihood")}
    for name, turn in turns.items():
        found = grid.find("degenerate", "all", name)
        titles |= dict.fromkeys(found, f"degenerate, {turn}")
    return columns_of(
        titles, titles.__getitem__, lambda key: (key.benchmark, key.metric)
    )


def refusals_table(
    scores: pl.DataFrame, _: pl.DataFrame, pairs: Comparisons = NONE
) -> Table:
    """Return the share that is refused at once beside what is corrected later."""
    grid = Grid(scores)
    blocks = blocks_of(grid)
    titles = {
        key: f"refused at once ({key.judge})"
        for metric in (METRIC, "true_refusal")
        for key in grid.find(metric, "all", DIRECT)
    }
    for block in blocks:
        turn = turn_title(block.benchmark)
        titles[block] = f"corrected later, {turn} ({block.judge})"
    for name in dict.fromkeys(block.benchmark for block in blocks):
        for key in grid.find("late_refusal", "all", name):
            title = f"refused later, {turn_title(name)} ({key.judge})"
            titles[mean_over_k(grid, key)] = title

    def than_at_once(model: ModelRow, key: Key) -> str:
        if key not in blocks:
            return ""
        return entry_of(pairs.own("later", key._replace(slice="all")).get(model)).side

    columns = [Column(title, key, 0, "share") for key, title in titles.items()]
    rows = rows_of(grid, grid.models)
    return sheet_table("refusals", grid, rows, columns, side=than_at_once)


TABLES = {
    "corr": corr_table,
    "before_after": before_after_table,
    "against_base": against_base_table,
    "refusals": refusals_table,
}

"""Rows of Course-Correction's tables: the turn, the judge, and k."""

import re
from typing import NamedTuple

from safegrid.report.grid import NOT_ASKED, Entry, Grid, Key, Model
from safegrid.report.names import benchmark_title

METRIC = "correction"
TURNS = {"c2_eval": "open turn", "c2_eval_closed": "closed turn"}
"""The two ways to hand a model a prefill of its answer, which do not compare."""
DIRECT = "c2_eval_direct"
"""The requests without a prefill: a correction there is a refusal at once."""
MEAN = "categories"
"""The slice that is the mean over k."""


class Block(NamedTuple):
    """Scores that compare with each other: of one turn, by one judge."""

    benchmark: str
    judge: str


def blocks_of(grid: Grid) -> list[Block]:
    """Return the benchmarks that begin answers, by judge; the open turn first."""
    found = {
        Block(key.benchmark, key.judge)
        for key in grid.find(METRIC)
        if key.benchmark != DIRECT
    }
    order = list(TURNS)
    return sorted(
        found,
        key=lambda block: (
            order.index(block.benchmark) if block.benchmark in order else len(order),
            block,
        ),
    )


def ks_of(grid: Grid, blocks: list[Block]) -> list[int]:
    """Return every k that one of the blocks was asked with, ascending."""
    parts = [
        re.fullmatch(r"category=k=(\d+)", key.slice)
        for key in grid.find(METRIC)
        if Block(key.benchmark, key.judge) in blocks
    ]
    return sorted({int(part[1]) for part in parts if part})


def at_k(k: int) -> str:
    """Return the slice of Corr@k."""
    return f"category=k={k}"


def mean_key(grid: Grid, block: Block, metric: str = METRIC) -> Key:
    """Return the key of a block's mean over k; with one k alone that is all of it."""
    key = Key(*block, metric, MEAN)
    return key if key in grid.keys else key._replace(slice="all")


def turn_title(benchmark: str) -> str:
    """Return how a benchmark begins the answer, in print."""
    return TURNS.get(benchmark, benchmark_title(benchmark))


def block_title(block: Block, blocks: list[Block]) -> str:
    """Return a block's name in print; its judge's only where there are several."""
    several = len({other.judge for other in blocks}) > 1
    title = turn_title(block.benchmark)
    return f"{title} ({block.judge})" if several else title


def entry_of(grid: Grid, model: Model, key: Key) -> Entry:
    """Return a model's entry, nothing where no model is measured so."""
    return grid.entry(model, key) if key in grid.keys else NOT_ASKED

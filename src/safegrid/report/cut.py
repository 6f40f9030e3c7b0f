"""Sentences on answers that were cut at the limit of new tokens."""

from collections.abc import Mapping

import polars as pl

from safegrid.report.grid import Grid
from safegrid.report.names import benchmark_title

MANY = 0.1
"""Share of a model's answers to a benchmark above which a report tells of the cut."""
NAMED = 5
"""Models that a sentence names; of more it gives the number and the range."""


def limits_of(runs: pl.DataFrame) -> dict[str, int]:
    """Return the most new tokens of an answer to each benchmark, from rows of RUNS."""
    rows = runs.filter(kind="limit").select("subject", "value").unique().sort("subject")
    return {name: round(limit) for name, limit in rows.rows()}


def cut_notes(grid: Grid, limits: Mapping[str, int]) -> list[str]:
    """Return a sentence for each benchmark at which many answers of a model are cut."""
    found = []
    for key in grid.find("truncated", "all"):
        shares = {
            grid.title(model): value
            for model in grid.models
            if (value := grid.entry(model, key).value) is not None and value > MANY
        }
        if key.benchmark in limits and shares:
            found.append(
                f"{benchmark_title(key.benchmark)}: more than {MANY:.0%} of a model's"
                f" answers are cut at the limit of {limits[key.benchmark]} new tokens"
                f" (`max_new_tokens`): {_listed(shares)}. A cut answer is no broken"
                " one; only a higher limit tells how it goes on."
            )
    return found


def _listed(shares: Mapping[str, float]) -> str:
    """Return models with their shares of cut answers, or the range of many models."""
    said = {name: f"{name} {100 * share:.1f}%" for name, share in shares.items()}
    if len(said) <= NAMED:
        return ", ".join(said.values())
    least, most = (end(shares, key=shares.__getitem__) for end in (min, max))
    return f"{len(said)} models, from {said[least]} to {said[most]}"

"""Smallest differences between two methods that a study's benchmarks can show.

Of a paired comparison of shares the standard error is sqrt(d / n) at most, where the
two differ on a share d of n prompts (Miller 2024, arXiv 2411.00640, section 5).
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.records import COMPARISON
from safegrid.cost.estimate import Estimate

ASKED = ("generate", "capability")
"""Kinds of jobs that answer a benchmark."""


def smallest(plan: Estimate, differ: float) -> str:
    """Say what differences the benchmarks of a plan can show.

    By the variance of the study's own comparisons, where they are there.

    Args:
        plan: of the study.
        differ: share of prompts on which two methods are taken to differ.
    """
    files = sorted(Path(f"results/{plan.study}/comparisons").glob("*.parquet"))
    found = list(_measured(files)) or list(_assumed(plan, differ))
    head = (
        "Smallest difference of two methods that a paired test finds (5%, 80% power):"
    )
    return "\n".join([head, *(f"  {line}" for line in found or ["no benchmark"])])


def _assumed(plan: Estimate, differ: float) -> Iterator[str]:
    from safegrid.score.paired import detectable

    for row in plan.rows:
        if row.kind in ASKED and row.reads is not None and row.reads.rows > 1:
            n = row.reads.rows
            points = 100 * detectable(n) * (differ / n) ** 0.5
            yield (
                f"{row.what}: {points:.2g} points (assumed: {n} independent prompts,"
                f" the two differ on {differ:.0%})"
            )


def _measured(files: list[Path]) -> Iterator[str]:
    if not files:
        return
    rows = pl.concat([read_table(path, COMPARISON) for path in files])
    known = rows.filter(pl.col("smallest") > 0, kind="pair", slice="all")
    about = ["benchmark", "judge", "metric"]
    for (benchmark, judge, metric), own in known.group_by(about, maintain_order=True):
        yield (
            f"{benchmark}: {median(own['smallest']):.2g} of {metric} by {judge}"
            f" (measured: median of {len(own)} pairs)"
        )

"""Smallest differences between two methods that a study's benchmarks can show.

Of a paired comparison of shares the standard error is sqrt(d / n) at most, where the
two differ on a share d of n prompts (Miller 2024, arXiv 2411.00640, section 5).
"""

from collections.abc import Container, Iterator
from pathlib import Path
from statistics import median

import polars as pl

from safegrid.core.artifacts import read_table
from safegrid.core.records import COMPARISON
from safegrid.cost.estimate import Estimate

TEST = "at 5%, unadjusted, with 80% power"


def smallest(plan: Estimate, benchmarks: Container[str], differ: float) -> str:
    """Say what differences the benchmarks of a plan can show.

    By the variance of the study's own comparisons, where they are there.

    Args:
        plan: of the study.
        benchmarks: those that are answered prompt by prompt.
        differ: share of prompts on which two methods are taken to differ.
    """
    files = sorted(Path(f"results/{plan.study}/comparisons").glob("*.parquet"))
    found = list(_measured(files)) or list(_assumed(plan, benchmarks, differ))
    head = f"Smallest difference of two methods that a paired test finds ({TEST}):"
    return "\n".join([head, *(f"  {line}" for line in found or ["no benchmark"])])


def _assumed(
    plan: Estimate, benchmarks: Container[str], differ: float
) -> Iterator[str]:
    from safegrid.score.paired import detectable

    for row in plan.rows:
        n = 0 if row.reads is None else row.reads.rows
        if row.kind == "generate" and row.what in benchmarks and n > 1:
            points = 100 * detectable(n) * (differ / n) ** 0.5
            yield (
                f"{row.what}: {points:.2g} points by all {n} prompts (assumed: no two"
                f" of one item, the two methods differ on {differ:.0%})"
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

"""Every figure that is drawn from scores or lines alone, by the name of its files."""

from pathlib import Path

import polars as pl

from safegrid.report.frontier import FIGURES, frontier
from safegrid.report.heat import attack_map, category_map
from safegrid.report.style import save
from safegrid.report.trade_off import trade_off

TRADE_OFFS = {
    "trade_off_capability": ("safety", "capability"),
    "trade_off_over_refusal": ("safety", "over_refusal"),
    "trade_off_coherent_capability": ("safe_and_coherent", "capability"),
    "trade_off_coherent_benign_lost": ("safe_and_coherent", "benign_requests_lost"),
}


def save_lines(rows: pl.DataFrame, folder: Path) -> None:
    """Write the figures of lines of safety against loss; `rows` are of FRONTIER."""
    for name, (safety, loss) in FIGURES.items():
        save(frontier(rows, safety, loss), folder, name)


def save_all(scores: pl.DataFrame, folder: Path) -> None:
    """Write the heat maps and the trade-off plots."""
    save(category_map(scores), folder, "categories")
    save(attack_map(scores), folder, "attacks")
    for name, (safety, cost) in TRADE_OFFS.items():
        save(trade_off(scores, safety, cost), folder, name)

"""Known properties of Course-Correction's published numbers, item by item."""

import polars as pl

from safegrid.report.grid import NOT_ASKED, Entry
from safegrid.report.published import EVERY, why

MEAN = "Corr-mean"


def metric_at(k: int) -> str:
    """Return the paper's name of a share of corrected paths."""
    return f"Corr@{k}"


def items_of(published: pl.DataFrame, ks: list[int]) -> dict[str, dict[str, Entry]]:
    """Return the items that have a number at one of our k, by the paper's metrics.

    A mean is left out where it is one over other k than ours.

    Args:
        published: rows of `safegrid.report.published`.
        ks: what this study asks.
    """
    asked = {metric_at(k) for k in ks}
    known = _known(published)
    found: dict[str, dict[str, Entry]] = {}
    for item in known["item"].unique(maintain_order=True):
        own = known.filter(item=item)
        printed = set(own["metric"]) - {MEAN}
        metrics = asked & printed | ({MEAN} if printed == asked else set())
        if asked & printed:
            found[item] = {
                row["metric"]: _entry(row)
                for row in own.iter_rows(named=True)
                if row["metric"] in metrics
            }
    return found


def as_printed(published: pl.DataFrame) -> list[str]:
    """Return a sentence for each item with all of its numbers, in full."""
    known = _known(published)
    return [
        f"In full, published for {item}: "
        + ", ".join(
            f"{row['metric']} {row['value']:g}"
            for row in known.filter(item=item).iter_rows(named=True)
        )
        + "."
        for item in known["item"].unique(maintain_order=True)
    ]


def not_found(published: pl.DataFrame) -> list[str]:
    """Say of which items and metrics no number was found, and why."""
    empty = published.filter(pl.col("value").is_null())
    reasons: dict[str, list[str]] = {}
    for row in empty.iter_rows(named=True):
        about = row["metric"] if row["item"] == EVERY else row["item"]
        reasons.setdefault(why(row["source"]), []).append(about)
    return [
        f"Published numbers of {', '.join(dict.fromkeys(names))}: none here. {reason}"
        for reason, names in reasons.items()
    ]


def _known(published: pl.DataFrame) -> pl.DataFrame:
    corr = pl.col("metric").str.starts_with("Corr")
    return published.filter(corr & pl.col("value").is_not_null())


def _entry(row: dict[str, object]) -> Entry:
    """Return a printed share; the paper prints no interval."""
    value, n = float(str(row["value"])), int(str(row["n"] or 0))
    share = value / 100 if row["unit"] == "percent" else value
    defects = tuple(str(row["defect"] or "").split())
    return Entry(share, None, None, n, None, 1, None, defects)


def printed_entry(known: dict[str, Entry], metric: str) -> Entry:
    """Return an item's number by a metric, nothing where it has none."""
    return known.get(metric, NOT_ASKED)

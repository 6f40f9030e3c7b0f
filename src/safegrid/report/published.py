"""Numbers from papers, to be shown beside ours: each with where it stands."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.errors import DataError
from safegrid.core.intervals import wilson
from safegrid.core.text_files import read_text
from safegrid.report.grid import Entry
from safegrid.report.names import DATA

COLUMNS = {
    "paper": pl.String,
    "place": pl.String,
    "item": pl.String,
    "model": pl.String,
    "metric": pl.String,
    "unit": pl.String,
    "value": pl.Float64,
    "source": pl.String,
    "benchmark": pl.String,
    "n": pl.Int64,
    "defect": pl.String,
}
"""arXiv id; table or figure; the paper's name of what was measured; ours of it, a
recipe or a base that is measured untouched; the paper's metric; `percent`, `share` or
`score`; the number as printed; how it was read, or why there is none; our name of the
benchmark; how many items the number is a share of; names of `DEFECTS`, with spaces."""
MAY_BE_EMPTY = {"model", "value", "benchmark", "n", "defect"}
EVERY = "*"
"""The item (or metric) of a row without a value that speaks for all without a row of
their own."""
NOT_GIVEN = "The paper gives no such number, as far as it could be read."
DEFECTS: dict[str, str] = DATA["defects"]
"""Known defects of published numbers by name; tables put a letter for each."""


def read_published(path: Path | str) -> pl.DataFrame:
    """Read a file of published numbers.

    Raises:
        DataError: its columns are not those of `COLUMNS`, a cell is empty that may not
            be, a value is not a number, or a defect has no such name.
    """
    try:
        frame = pl.read_csv(path, schema=COLUMNS, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not readable as {list(COLUMNS)}: {error}") from error
    header = read_text(Path(path)).split("\n", 1)[0].split(",")
    if header != list(COLUMNS):
        raise DataError(f"{path}:1: columns {header}; expected {list(COLUMNS)}")
    for line, row in enumerate(frame.iter_rows(named=True), start=2):
        empty = [k for k, v in row.items() if v is None and k not in MAY_BE_EMPTY]
        if empty:
            raise DataError(
                f"{path}:{line}: empty {empty}; a number that was not found is an empty"
                " `value`, and `source` says why"
            )
        unknown = sorted(set((row["defect"] or "").split()) - set(DEFECTS))
        if unknown:
            raise DataError(
                f"{path}:{line}: defect {unknown}; expected names of {sorted(DEFECTS)}"
                " (src/safegrid/report/words.yaml), with spaces between them"
            )
    return frame


def published_number(published: pl.DataFrame, item: str, metric: str) -> Entry:
    """Return what a paper says of an item by a metric as printed, else why not."""
    for name in (item, EVERY):
        for row in published.filter(item=name, metric=metric).iter_rows(named=True):
            if row["value"] is None:
                return Entry(reason=why(row["source"]))
            return Entry(row["value"], seeds=1)
    return Entry(reason=NOT_GIVEN)


def share_of(row: Mapping[str, Any], percent: bool = False) -> Entry:
    """Return a published share, or percentage with our interval: Wilson's, of its n."""
    n, defects = row["n"] or 0, tuple((row["defect"] or "").split())
    share = row["value"] / 100 if row["unit"] == "percent" else row["value"]
    if not percent:
        return Entry(share, n=n, seeds=1, defects=defects)
    entry = Entry(round(100 * share, 6), n=n, seeds=1, defects=defects)
    if not n or "impossible" in defects:
        return entry
    low, high = wilson(share * n, n)
    return replace(entry, low=100 * low, high=100 * high)


def why(source: str) -> str:
    """Return the source of a number that was not found as a sentence."""
    text = source.strip()
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."

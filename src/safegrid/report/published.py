"""Numbers from papers, to be shown beside ours: each with where it stands."""

from pathlib import Path

import polars as pl

from safegrid.errors import DataError

COLUMNS = {
    "paper": pl.String,
    "place": pl.String,
    "item": pl.String,
    "metric": pl.String,
    "unit": pl.String,
    "value": pl.Float64,
    "source": pl.String,
}
"""arXiv id; table or figure; what was measured; the paper's metric; `percent`,
`share` or `score`; the number as printed; how it was read."""


def read_published(path: Path | str) -> pl.DataFrame:
    """Read a file of published numbers.

    Raises:
        DataError: its columns are not those of `COLUMNS`, or a cell is empty or no
            number.
    """
    try:
        frame = pl.read_csv(path, schema=COLUMNS)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not readable as {list(COLUMNS)}: {error}") from error
    header = Path(path).read_text(encoding="utf-8").split("\n", 1)[0].split(",")
    if header != list(COLUMNS):
        raise DataError(f"{path}:1: columns {header}; expected {list(COLUMNS)}")
    for line, row in enumerate(frame.iter_rows(named=True), start=2):
        empty = [name for name, value in row.items() if value is None]
        if empty:
            raise DataError(
                f"{path}:{line}: empty {empty}; a number that was not found has no row"
            )
    return frame

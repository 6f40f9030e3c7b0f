"""Tables of any length: written and read part by part, so that memory holds one.

Files are like those of `artifacts`: whole or not there, with the manifest inside. The
manifest is asked for last, when everything is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.artifacts import METADATA_KEY, atomic_file, check_columns, with_blank
from safegrid.core.errors import DataError
from safegrid.core.records import Schema
from safegrid.core.seals import check_seal, seal

# Rows of a row group: some megabytes of text, and readers take whole groups.
ROWS = 2048

Row = dict[str, Any]


def write_stream(
    path: Path,
    rows: Iterable[Row],
    schema: Schema,
    facts: Callable[[int], Mapping[str, Any]],
) -> int:
    """Write rows of a record type as parquet, a group at a time.

    Args:
        path: the file.
        rows: as dicts; they may count what they leave out on the way.
        schema: the record type.
        facts: called with the number of rows after the last one; gives the manifest.
            What it raises leaves no file.

    Returns:
        How many rows were written.

    Raises:
        DataError: a row does not fit the record type.
    """
    from pyarrow.parquet import ParquetWriter

    count = 0
    arrow = _arrow(pl.DataFrame(schema=schema)).schema
    with atomic_file(path) as temporary:
        with ParquetWriter(temporary, arrow, compression="zstd") as writer:
            for frame in _frames(path, rows, schema):
                writer.write_table(_arrow(frame), row_group_size=ROWS)
                count += len(frame)
            writer.add_key_value_metadata({METADATA_KEY: with_blank(facts(count))})
        seal(temporary)
    return count


def read_stream(path: Path, schema: Schema) -> Iterator[Row]:
    """Give the rows of a record type, in their order; the seal is checked at the call.

    Raises:
        DataError: not as it was written, or its columns are not those of the record
            type.
    """
    check_seal(path)
    return _rows(path, schema)


def _rows(path: Path, schema: Schema) -> Iterator[Row]:
    table = pl.scan_parquet(path, glob=False)
    try:
        check_columns(path, table.collect_schema().names(), schema)
        for start in range(0, count_rows(path), ROWS):
            part = table.select(list(schema)).slice(start, ROWS).collect()
            yield from part.iter_rows(named=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not readable as parquet: {error}") from error


def count_rows(path: Path) -> int:
    """Return how many rows a table has that was checked."""
    rows: int = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    return rows


def _frames(path: Path, rows: Iterable[Row], schema: Schema) -> Iterator[pl.DataFrame]:
    ahead = iter(rows)
    while part := list(islice(ahead, ROWS)):
        odd = next((row for row in part if set(row) != set(schema)), None)
        if odd is not None:
            raise DataError(f"{path}: a row has {sorted(odd)}; expected {list(schema)}")
        # Of rows polars makes null what does not fit; of columns it refuses it.
        columns = {name: [row[name] for row in part] for name in schema}
        try:
            yield pl.DataFrame(columns, schema=schema)
        except (pl.exceptions.PolarsError, TypeError) as error:
            raise DataError(
                f"{path}: rows do not fit their record type: {error}"
            ) from None


def _arrow(frame: pl.DataFrame) -> Any:
    # The newest level has views of text, which few readers know.
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())

"""Tables and manifests: how an artifact says what it was made of.

A table carries its manifest inside (parquet key-value metadata), a directory as
`manifest.json`, written last. Every manifest is sealed, and nothing is read from what
no longer fits its seal. Tables of any length are written and read part by part, so that
memory holds one. The functions of `files` and `seals` can be had from here too.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.errors import DataError
from safegrid.core.files import MANIFEST as MANIFEST
from safegrid.core.files import atomic_directory as atomic_directory
from safegrid.core.files import atomic_file as atomic_file
from safegrid.core.files import read_object as read_object
from safegrid.core.files import sha256_file as sha256_file
from safegrid.core.files import sha256_json as sha256_json
from safegrid.core.files import write_json as write_json
from safegrid.core.files import write_text as write_text
from safegrid.core.records import LABEL, Schema
from safegrid.core.seals import BLANK, OWN, check_folder, check_seal, damaged, seal
from safegrid.core.seals import read_result as read_result
from safegrid.core.seals import write_result as write_result
from safegrid.core.stages import VERSIONS
from safegrid.core.text_files import placeholder

METADATA_KEY = "safegrid"
# Rows of a row group: some megabytes of text, and readers take whole groups.
ROWS = 2048

PathOrPaths = Path | Sequence[Path]
Row = dict[str, Any]


def manifest(
    stage: str,
    inputs: Mapping[str, PathOrPaths],
    params: Mapping[str, Any],
    libraries: Sequence[str] = (),
    **facts: Any,
) -> dict[str, Any]:
    """Describe how an artifact was made; no clock and no host, so bytes repeat.

    Args:
        stage: the rule; its version number is recorded where it has one.
        inputs: name to file, directory or list of them; recorded as sha256.
        params: everything else that the result depends on.
        libraries: distributions whose versions can change the result.
        facts: what the stage counted, such as `rows` and `dropped`.
    """
    return {
        "stage": stage,
        "version": VERSIONS.get(stage),
        "inputs": {
            name: sha256_file(value)
            if isinstance(value, Path)
            else [sha256_file(path) for path in value]
            for name, value in inputs.items()
        },
        "params": dict(params),
        "libraries": {name: version(name) for name in libraries},
        **facts,
    }


def read_labels(path: Path | None) -> pl.DataFrame:
    """Read rows of LABEL, which people may have edited; none without a file."""
    if path is None or not path.exists():
        return pl.DataFrame(schema=LABEL)
    return pl.read_csv(path, schema=LABEL, glob=False).fill_null("")


def write_table(
    path: Path, frame: pl.DataFrame, schema: Schema, facts: Mapping[str, Any]
) -> None:
    """Write rows of a record type as parquet with their manifest inside.

    Raises:
        DataError: a column of the record type is missing or cannot be cast.
    """
    check_columns(path, frame.columns, schema)
    try:
        frame = frame.select(list(schema)).cast(pl.Schema(schema), strict=True)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: rows do not fit their record type: {error}") from None
    with atomic_file(path) as temporary:
        frame.write_parquet(temporary, metadata={METADATA_KEY: _with_blank(facts)})
        seal(temporary)


def write_stream(
    path: Path,
    rows: Iterable[Row],
    schema: Schema,
    facts: Callable[[int], Mapping[str, Any]],
) -> int:
    """Write rows of a record type as parquet, a group at a time; return how many.

    Rows may count what they leave out on the way: `facts` is called with their number
    after the last one and gives the manifest. What it raises leaves no file.

    Raises:
        DataError: a row does not fit the record type.
    """
    from pyarrow.parquet import ParquetWriter

    # The newest level has views of text, which few readers know.
    level = pl.CompatLevel.oldest()
    count = 0
    arrow = pl.DataFrame(schema=schema).to_arrow(compat_level=level).schema
    with atomic_file(path) as temporary:
        with ParquetWriter(temporary, arrow, compression="zstd") as writer:
            for frame in _frames(path, rows, schema):
                table = frame.to_arrow(compat_level=level)
                writer.write_table(table, row_group_size=ROWS)
                count += len(frame)
            writer.add_key_value_metadata({METADATA_KEY: _with_blank(facts(count))})
        seal(temporary)
    return count


def read_table(path: Path, schema: Schema) -> pl.DataFrame:
    """Read rows of a record type that a stage wrote.

    Raises:
        DataError: not as it was written, or its columns are others.
    """
    check_seal(path)
    return read_columns(path, schema)


def read_columns(path: Path, schema: Schema) -> pl.DataFrame:
    """Read rows of a record type, whoever wrote them.

    Raises:
        DataError: not parquet, or its columns are not those of the record type.
    """
    try:
        frame = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        what = placeholder(path) or f"not readable as parquet: {error}"
        raise DataError(f"{path}: {what}") from error
    check_columns(path, frame.columns, schema)
    return frame.select(list(schema))


def read_stream(path: Path, schema: Schema) -> Iterator[Row]:
    """Give the rows of a record type, in their order; the seal is checked at once."""
    check_seal(path)
    return _rows(path, schema)


def count_rows(path: Path) -> int:
    """Return how many rows a table has that was checked."""
    return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a table, a directory or a JSON result, without its seal.

    Raises:
        DataError: the artifact is not as it was written, or carries no manifest.
    """
    found: Any
    if path.is_dir():
        found = check_folder(path, names=())
    elif path.suffix == ".json":
        found = read_result(path).get("manifest")
    else:
        check_seal(path)
        found = json.loads(pl.read_parquet_metadata(path)[METADATA_KEY])
        del found[OWN]
    if not isinstance(found, dict):
        raise damaged(path, "carries no manifest")
    return found


def check_columns(path: Path, columns: Sequence[str], schema: Schema) -> None:
    """Check that a table has the columns of a record type and no other.

    Raises:
        DataError: it has not; the message names the odd ones.
    """
    missing = [name for name in schema if name not in columns]
    odd = [name for name in columns if name not in schema]
    if missing or odd:
        raise DataError(
            f"{path}: columns missing: {missing or 'none'}; not expected:"
            f" {odd or 'none'}; expected exactly {list(schema)}"
        )


def _with_blank(facts: Mapping[str, Any]) -> str:
    """Return the text of a manifest with room for the seal of its table."""
    return json.dumps({**facts, OWN: BLANK}, sort_keys=True)


def _rows(path: Path, schema: Schema) -> Iterator[Row]:
    table = pl.scan_parquet(path, glob=False)
    try:
        check_columns(path, table.collect_schema().names(), schema)
        for start in range(0, count_rows(path), ROWS):
            part = table.select(list(schema)).slice(start, ROWS).collect()
            yield from part.iter_rows(named=True)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not readable as parquet: {error}") from error


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
            said = f"{path}: rows do not fit their record type: {error}"
            raise DataError(said) from None

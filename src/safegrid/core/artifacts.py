"""Tables and manifests: how an artifact says what it was made of.

A table carries its manifest inside (parquet key-value metadata), a directory as
`manifest.json`, written last. Every manifest is sealed, and nothing is read from what
no longer fits its seal. Writing itself is the business of `files` and `seals`, whose
functions can be had from here too.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.core.errors import DataError
from safegrid.core.files import (
    MANIFEST,
    atomic_directory,
    atomic_file,
    read_object,
    sha256_file,
    sha256_json,
    write_json,
    write_text,
)
from safegrid.core.records import Schema
from safegrid.core.seals import (
    BLANK,
    OWN,
    check_folder,
    check_seal,
    damaged,
    read_result,
    seal,
    write_result,
)
from safegrid.core.stages import VERSIONS
from safegrid.core.text_files import placeholder

__all__ = [
    "MANIFEST",
    "METADATA_KEY",
    "PathOrPaths",
    "atomic_directory",
    "atomic_file",
    "manifest",
    "read_columns",
    "read_manifest",
    "read_object",
    "read_result",
    "read_table",
    "sha256_file",
    "sha256_json",
    "with_blank",
    "write_json",
    "write_result",
    "write_table",
    "write_text",
]

METADATA_KEY = "safegrid"

PathOrPaths = Path | Sequence[Path]


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
        "inputs": {name: _hash(value) for name, value in inputs.items()},
        "params": dict(params),
        "libraries": {name: version(name) for name in libraries},
        **facts,
    }


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
        frame.write_parquet(temporary, metadata={METADATA_KEY: with_blank(facts)})
        seal(temporary)


def with_blank(facts: Mapping[str, Any]) -> str:
    """Return the text of a manifest with room for the seal of its table."""
    return json.dumps({**facts, OWN: BLANK}, sort_keys=True)


def read_table(path: Path, schema: Schema) -> pl.DataFrame:
    """Read rows of a record type that a stage wrote.

    Raises:
        DataError: not as it was written, or its columns are not those of the record
            type.
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


def _hash(value: PathOrPaths) -> str | list[str]:
    if isinstance(value, Path):
        return sha256_file(value)
    return [sha256_file(item) for item in value]


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

"""Files that are whole or not there: atomic writes, hashes, manifests.

Everything is written under a temporary name beside its target and renamed, so a
killed job leaves no half file under a name that a later job would trust. A table
carries its manifest inside (parquet key-value metadata), a directory as
`manifest.json`, written last.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from safegrid.errors import DataError
from safegrid.records import Schema
from safegrid.stages import VERSIONS

MANIFEST = "manifest.json"
METADATA_KEY = "safegrid"

PathOrPaths = Path | Sequence[Path]


def sha256_file(path: Path) -> str:
    """Return the hex sha256 of a file, or of a directory's sorted files."""
    digest = hashlib.sha256()
    if path.is_dir():
        for member in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(str(member.relative_to(path)).encode())
            digest.update(bytes.fromhex(sha256_file(member)))
        return digest.hexdigest()
    with path.open("rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """Return the hex sha256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` on success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; results are as readable as any other file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Give a temporary directory beside `path`; on success it takes `path`'s place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if path.exists():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file is not JSON; the message names file, line and column.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from error


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
    _check_columns(path, frame.columns, schema)
    try:
        frame = frame.select(list(schema)).cast(pl.Schema(schema), strict=True)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: rows do not fit their record type: {error}") from None
    with atomic_file(path) as temporary:
        frame.write_parquet(
            temporary, metadata={METADATA_KEY: json.dumps(facts, sort_keys=True)}
        )


def read_table(path: Path, schema: Schema) -> pl.DataFrame:
    """Read rows of a record type.

    Raises:
        DataError: not parquet, or its columns are not those of the record type.
    """
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(f"{path}: not readable as parquet: {error}") from error
    _check_columns(path, frame.columns, schema)
    return frame.select(list(schema))


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a table, a directory or a JSON result.

    Raises:
        DataError: the artifact carries no manifest.
    """
    if path.is_dir():
        found: Any = read_json(path / MANIFEST)
    elif path.suffix == ".json":
        found = read_json(path).get("manifest")
    else:
        text = pl.read_parquet_metadata(path).get(METADATA_KEY)
        found = json.loads(text) if text else None
    if not isinstance(found, dict):
        raise DataError(f"{path}: carries no manifest; rebuild it with its rule")
    return found


def _hash(value: PathOrPaths) -> str | list[str]:
    if isinstance(value, Path):
        return sha256_file(value)
    return [sha256_file(item) for item in value]


def _check_columns(path: Path, columns: Sequence[str], schema: Schema) -> None:
    missing = [name for name in schema if name not in columns]
    odd = [name for name in columns if name not in schema]
    if missing or odd:
        raise DataError(
            f"{path}: columns missing: {missing or 'none'}; not expected:"
            f" {odd or 'none'}; expected exactly {list(schema)}"
        )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

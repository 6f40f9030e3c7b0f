"""Files that are whole or not there: atomic writes, hashes, JSON.

Everything is written under a temporary name beside its target and renamed, so a
killed job leaves no half file under a name that a later job would trust. The name says
which process writes, so that what a killed one left can be told and removed. Apart from
`artifacts` because engines and clients need no tables: polars costs them a third of
a second, and starts threads that a process which forks must not have.
"""

import glob
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from safegrid.core.errors import DataError
from safegrid.core.text_files import decode

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MANIFEST = "manifest.json"
# The folder of all results.
RESULTS = "results"

Kind = TypeVar("Kind")
_ADAPTERS: dict[type[Any], "TypeAdapter[Any]"] = {}

# .{name}.{pid}@{host}.{letters of tempfile}
_TEMPORARY = re.compile(r"\..+\.(\d+)@(.+)\.\w{8}")


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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_prefix(path))
    os.close(handle)
    yield from _settled(Path(name), path)


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Give a temporary directory beside `path`; on success it takes `path`'s place."""
    name = tempfile.mkdtemp(dir=path.parent, prefix=_prefix(path))
    yield from _settled(Path(name), path)


def _settled(temporary: Path, path: Path) -> Iterator[Path]:
    try:
        yield temporary
        # Temporary files are private, and so are weights as libraries save them;
        # results are as readable as any other file.
        os.umask(mask := os.umask(0))
        for member in (temporary, *temporary.rglob("*")):
            member.chmod((0o777 if member.is_dir() else 0o666) & ~mask)
        if path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
    finally:
        _remove(temporary)


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
        DataError: not there or not JSON; the message names line and column.
    """
    try:
        return json.loads(decode(_bytes(path)))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON: {error}") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        DataError: as `read_json`, or the file holds something else.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected a JSON object, not {type(found).__name__}")
    return found


def read_record(path: Path, kind: type[Kind]) -> Kind:
    """Read a JSON file that holds the fields of a dataclass.

    Raises:
        DataError: it is not there, not JSON, or misses a field or its type.
    """
    try:
        return as_record(_bytes(path), kind)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None


def as_record(text: str | bytes, kind: type[Kind]) -> Kind:
    """Return the dataclass that a JSON text holds, without keys that it has not.

    Raises:
        ValueError: not JSON, no object, or a field is missing or of another type.
    """
    # Imported late: pydantic costs a tenth of a second.
    from pydantic import TypeAdapter, ValidationError

    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    try:
        return cast(Kind, _ADAPTERS[kind].validate_json(text, strict=True))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise ValueError(f"holds no {kind.__name__}: {where}{first['msg']}") from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise DataError(f"{path}: a folder; expected a JSON file") from error


def below_results(path: Path) -> tuple[str, ...]:
    """Return the parts of a path from its last folder `results` on; none without one.

    So a result has one name wherever a run keeps it: here, or as a bucket's copy.
    """
    parts = path.parts
    if RESULTS not in parts:
        return ()
    return parts[len(parts) - 1 - parts[::-1].index(RESULTS) :]


def remove_leftovers(folder: Path, names: str = "**/.*") -> int:
    """Remove what processes of this machine were writing when they were killed.

    Returns how many files and folders of a folder, which may be missing, there were.
    """
    found = [path for path in folder.glob(names) if _is_left(path)]
    for path in found:
        _remove(path)
    return len(found)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _prefix(path: Path) -> str:
    """Return how a temporary name begins; what a dead writer left beside it goes.

    A model's folder can be of many gigabytes, and nobody looks at hidden names.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent, f".{glob.escape(path.name)}.[0-9]*@*")
    return f".{path.name}.{os.getpid()}@{socket.gethostname()}."


def _is_left(path: Path) -> bool:
    """Whether a name is a temporary one, and its writer of this machine is dead."""
    name = _TEMPORARY.fullmatch(path.name)
    if name is None or name[2] != socket.gethostname():
        return False
    try:
        os.kill(int(name[1]), 0)
    except (ProcessLookupError, PermissionError) as error:
        # Another user's process may not be asked: it lives.
        return isinstance(error, ProcessLookupError)
    return False

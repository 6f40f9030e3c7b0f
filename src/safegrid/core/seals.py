"""Content hashes (seals) that results carry, so that an edit or damage is seen.

A table's manifest, a folder's and that of a JSON result hold, under OWN, the sha256 of
the whole file they stand in, taken with zeros in the place of that hash. A folder's
manifest also holds the hashes of the folder's files. Readers check both before they
take anything from a result. Seals find damage and edits, not forgery: whoever has this
code can seal a forged file.
"""

import hashlib
import json
import mmap
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from safegrid.core.errors import DataError
from safegrid.core.files import (
    MANIFEST,
    atomic_file,
    below_results,
    read_object,
    sha256_file,
)
from safegrid.core.text_files import placeholder

OWN = "own_sha256"
BLANK = "0" * 64
FILES = "files"
# The study of a run, for messages on files that several studies share.
STUDY = "SAFEGRID_STUDY"

_MARK = f'"{OWN}": "'.encode()
# Hashing those of a large model takes minutes: see `check_folder`.
_WEIGHTS = ".safetensors"
# The folders of results/ that hold a folder for each model, whatever study asks for it.
_MODELS = ("bases", "judges", "encoders")
# What a reader of models would take from a folder beside the files that it lists.
_READ = (_WEIGHTS, ".json", ".jinja")
_EDITED = "is not as it was written: it was edited or damaged"


def seal(path: Path) -> None:
    """Put a file's hash where its manifest holds BLANK."""
    found = _hashes(path)
    if found is None or found[0] != BLANK:
        raise ValueError(f"{path}: holds no blank seal")
    _, computed, place = found
    with path.open("r+b") as stream:
        stream.seek(place)
        stream.write(computed.encode())


def fault_of(path: Path) -> str | None:
    """Say what is wrong with a table or a JSON result by its seal; None of nothing."""
    if not path.is_file():
        return "is a folder, not a file" if path.exists() else "is not there"
    found = _hashes(path)
    if found is None:
        cut_off = f"carries no {OWN}: cut off, or written by no rule of this version"
        return placeholder(path) or cut_off
    return None if found[0] == found[1] else _EDITED


def result_fault(path: Path) -> str | None:
    """Say what is wrong with a result by its seal; a folder's is its manifest's."""
    if not path.is_dir():
        return fault_of(path)
    fault = fault_of(path / MANIFEST)
    return None if fault is None else f"{MANIFEST}: {fault}"


def check_seal(path: Path) -> None:
    """Check that a table or a JSON result is as it was written, else raise."""
    if (fault := fault_of(path)) is not None:
        raise damaged(path, fault)


def write_result(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object with sorted keys and its seal, whole or not at all."""
    text = json.dumps({**value, OWN: BLANK}, indent=2, sort_keys=True)
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
        seal(temporary)


def read_result(path: Path) -> dict[str, Any]:
    """Read what `write_result` wrote, without the seal.

    Raises:
        DataError: it is not as it was written.
    """
    check_seal(path)
    found = read_object(path)
    found.pop(OWN, None)
    return found


def list_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return hash and size of a folder's files, as its manifest holds them."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): {
            "sha256": sha256_file(path),
            "bytes": path.stat().st_size,
        }
        for path in paths
        if path.name != MANIFEST and not path.name.startswith(".")
    }


def check_folder(
    folder: Path, names: Collection[str] | None = None
) -> dict[str, Any] | None:
    """Check the files of a model's folder against its manifest, and return that.

    A folder without one, put there by hand, is not checked. Of `names` only those are
    looked at, else all, and for files that were added.

    Raises:
        DataError: a file is not as it was written.
    """
    if not (folder / MANIFEST).exists():
        return None
    facts = read_result(folder / MANIFEST)
    if (fault := folder_fault(folder, facts, names)) is not None:
        raise damaged(folder, fault)
    return facts


def folder_fault(
    folder: Path,
    facts: Mapping[str, Any],
    names: Collection[str] | None = None,
    believing: bool = True,
) -> str | None:
    """Say what is wrong with the files of a folder, whose manifest is given.

    Weights are hashed unless `believing`: then it is enough that they have their size
    and are no newer than the manifest. `names` are as for `check_folder`.
    """
    written = (folder / MANIFEST).stat().st_mtime_ns if believing else -1
    files: Mapping[str, Mapping[str, Any]] = facts.get(FILES, {})
    for name, pin in files.items():
        if names is not None and name not in names:
            continue
        path = folder / name
        if not path.is_file():
            return f"{name} is not there"
        is_believed = path.suffix == _WEIGHTS and path.stat().st_mtime_ns <= written
        if path.stat().st_size != pin["bytes"] or (
            not is_believed and sha256_file(path) != pin["sha256"]
        ):
            return f"{name} {_EDITED}"
    if not files or names is not None:
        return None
    there = {path.name for path in folder.iterdir() if path.suffix in _READ}
    added = sorted(n for n in there - set(files) - {MANIFEST} if not n.startswith("."))
    return f"{added[0]} was added to it" if added else None


def fetched_fault(path: Path) -> str | None:
    """Say what is wrong with a raw file that was fetched; None of nothing.

    One without a manifest of its own was built by a world, or put there by hand.
    """
    manifest = path.with_name(f"{path.name}.{MANIFEST}")
    if not manifest.is_file():
        return None
    if (fault := fault_of(manifest)) is not None:
        return f"its {manifest.name} {fault}"
    (pin,) = read_result(manifest)[FILES].values()
    return None if sha256_file(path) == pin["sha256"] else _EDITED


def check_fetched(path: Path) -> None:
    """Check that a raw file is as it was fetched, else raise."""
    if (fault := fetched_fault(path)) is not None:
        raise damaged(path, fault)


def damaged(path: Path, fault: str) -> DataError:
    """Return the error that names a damaged result and how to make it again."""
    below = below_results(path)
    if len(below) < 3:
        return DataError(f"{path}: {fault}; nothing was taken from it. Make it again")
    # A rule's output: of models the folder, whichever of its files it is.
    parts = {"gguf": 4, **dict.fromkeys(_MODELS, 3)}.get(below[1])
    if parts is None and below[2] == "models":
        parts = 6
    shared = below[1] in ("raw", "gguf", *_MODELS)
    study = os.environ.get(STUDY, "STUDY") if shared else below[1]
    return DataError(
        f"{path}: {fault}; nothing was taken from it\n"
        "  to make it again, and what is behind it:"
        f" make study STUDY={study} REBUILD_DAMAGED=1\n"
        f"  or: snakemake --cores 2 --config study={study} --forcerun"
        f" {'/'.join(below[:parts])}"
    )


def _hashes(path: Path) -> tuple[str, str, int] | None:
    """Return the seal of a file, what it must be, and where it stands."""
    if not path.stat().st_size:
        return None
    with (
        path.open("rb") as stream,
        mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        # The last one: a table's manifest stands behind its rows.
        place = data.rfind(_MARK) + len(_MARK)
        end = place + len(BLANK)
        found = data[place:end].decode("ascii", errors="replace")
        if place < len(_MARK) or len(found) < len(BLANK):
            return None
        with memoryview(data) as view:
            digest = hashlib.sha256(view[:place])
            digest.update(BLANK.encode())
            digest.update(view[end:])
    return found, digest.hexdigest(), place

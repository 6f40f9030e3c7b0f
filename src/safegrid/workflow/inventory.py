"""What a model's cells are made of: the file in which a group of jobs ends."""

import os
from collections.abc import Collection
from pathlib import Path

from safegrid.artifacts import read_manifest, sha256_file, write_json
from safegrid.errors import DataError


def take_inventory(files: Collection[Path], out: Path) -> None:
    """Write which files a model's cells are made of, with hash and stage of each.

    On a cluster the jobs of a model's cells are one job because this file needs them
    all. It holds nothing that differs between two runs.

    Raises:
        DataError: a file carries no manifest, so no stage of ours made it.
    """
    # By their names below the study: a bucket's copies lie in a folder of their own.
    study = os.path.commonpath([out, *files])
    named = {str(file.relative_to(study)): file for file in sorted(files)}
    write_json(out, {"files": {name: _entry(file) for name, file in named.items()}})


def _entry(file: Path) -> dict[str, object]:
    manifest = read_manifest(file)
    if "stage" not in manifest:
        raise DataError(f"{file}: its manifest names no stage; rebuild it")
    return {"stage": manifest["stage"], "sha256": sha256_file(file)}

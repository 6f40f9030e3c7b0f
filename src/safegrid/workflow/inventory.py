"""What a model's cells are made of: the file in which a group of jobs ends."""

from collections.abc import Iterable
from pathlib import Path

from safegrid.artifacts import read_manifest, sha256_file, write_json
from safegrid.errors import DataError


def take_inventory(files: Iterable[Path], out: Path) -> None:
    """Write which files a model's cells are made of, with hash and stage of each.

    On a cluster the jobs of a model's cells are one job because this file needs them
    all. It holds nothing that differs between two runs.

    Raises:
        DataError: a file carries no manifest, so no stage of ours made it.
    """
    write_json(out, {"files": {str(file): _entry(file) for file in sorted(files)}})


def _entry(file: Path) -> dict[str, object]:
    manifest = read_manifest(file)
    if "stage" not in manifest:
        raise DataError(f"{file}: its manifest names no stage; rebuild it")
    return {"stage": manifest["stage"], "sha256": sha256_file(file)}

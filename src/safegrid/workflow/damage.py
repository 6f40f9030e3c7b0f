"""Damaged results of a study, for a run that makes them again."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from safegrid.core.files import MANIFEST
from safegrid.core.seals import (
    fault_of,
    fetched_fault,
    folder_fault,
    read_result,
    result_fault,
)


def outputs(summary: str) -> list[Path]:
    """Return the outputs that `snakemake --summary` lists, in its order."""
    _, *lines = (line for line in summary.splitlines() if "\t" in line)
    return [Path(line.split("\t", 1)[0]) for line in lines]


def damaged_of(results: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Give the damaged ones among the results that are there, each with its fault."""
    for path in results:
        fault = _fault(path) if path.exists() else None
        if fault is not None:
            yield path, fault


def _fault(path: Path) -> str | None:
    if path.is_dir():
        return _fault_of_model(path)
    if path.parts[1] == "raw" and not path.name.endswith(MANIFEST):
        return fetched_fault(path)
    return fault_of(path) if path.suffix in (".parquet", ".json") else None


def _fault_of_model(folder: Path) -> str | None:
    """Say what is wrong with a model's folder; all of its weights are read."""
    fault = result_fault(folder)
    if fault is not None:
        return fault
    return folder_fault(folder, read_result(folder / MANIFEST), believing=False)

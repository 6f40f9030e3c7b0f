"""Failed jobs of a run with their last messages, and damaged results of a study."""

import re
from collections.abc import Iterator
from pathlib import Path

from safegrid.core.files import MANIFEST
from safegrid.core.seals import (
    fault_of,
    fetched_fault,
    folder_fault,
    read_result,
    result_fault,
)

LOGS = Path(".snakemake/log")
BLOCK = re.compile(r"^Error in rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
LOG = re.compile(
    r"^ {4}log: (.*?)(?: \(check log file\(s\) for error details\))?$", re.M
)
LINES = 5
LETTERS = 240
SILENT = "(nothing: it was killed, or never began)"


def newest_log(folder: Path = LOGS) -> Path | None:
    """Return the log that Snakemake wrote last in this folder, if there is one."""
    logs = folder.glob("*.snakemake.log")
    return max(logs, key=lambda path: path.stat().st_mtime, default=None)


def failures(snakemake_log: Path) -> list[str]:
    """Tell of the failed jobs that a log of Snakemake names, of a retried one once.

    Each with the last lines of its own log.
    """
    text = snakemake_log.read_text(encoding="utf-8", errors="replace")
    return list(dict.fromkeys(_failure(*found) for found in BLOCK.findall(text)))


def _failure(rule: str, block: str) -> str:
    found = LOG.search(block)
    log = Path(found[1].split(", ")[0]) if found else None
    said = [SILENT]
    if log is not None and log.is_file():
        text = log.read_text(encoding="utf-8", errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        said = lines[-LINES:] or said
    told = "".join(f"\n    {line[:LETTERS]}" for line in said)
    return f"{rule} failed; {log or 'its log'} ends:{told}"


def damaged(summary: str) -> Iterator[tuple[Path, str]]:
    """Give the damaged results that `snakemake --summary` lists, each with its fault.

    All of a model's weights are read for that.
    """
    _, *lines = (line for line in summary.splitlines() if "\t" in line)
    for line in lines:
        path = Path(line.split("\t", 1)[0])
        fault = _fault(path) if path.exists() else None
        if fault is not None:
            yield path, fault


def _fault(path: Path) -> str | None:
    if path.is_dir():
        return result_fault(path) or folder_fault(
            path, read_result(path / MANIFEST), believing=False
        )
    if path.parts[1] == "raw" and not path.name.endswith(MANIFEST):
        return fetched_fault(path)
    return fault_of(path) if path.suffix in (".parquet", ".json") else None

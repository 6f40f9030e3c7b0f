"""Failed jobs of a run and their last messages, from the logs of the run."""

import re
from pathlib import Path
from typing import NamedTuple

LOGS = Path(".snakemake/log")
BLOCK = re.compile(r"^Error in rule (\w+):\n((?: {4}.*\n)+)", re.MULTILINE)
LOG = re.compile(
    r"^ {4}log: (.*?)(?: \(check log file\(s\) for error details\))?$", re.M
)
LINES = 5
LETTERS = 240
SILENT = "(nothing: it was killed, or never began)"


class Failure(NamedTuple):
    """A job that failed, its log, and the last lines of that."""

    rule: str
    log: str
    said: tuple[str, ...]


def newest_log(folder: Path = LOGS) -> Path | None:
    """Return the log that Snakemake wrote last in this folder, if there is one."""
    logs = sorted(folder.glob("*.snakemake.log"), key=lambda path: path.stat().st_mtime)
    return logs[-1] if logs else None


def failures(snakemake_log: Path) -> list[Failure]:
    """Return the failed jobs that a log of Snakemake names, a retried one once."""
    text = snakemake_log.read_text(encoding="utf-8", errors="replace")
    return list(dict.fromkeys(_failure(*found) for found in BLOCK.findall(text)))


def described(found: list[Failure]) -> str:
    """Return each failure with what its log said last."""
    return "\n".join(
        f"{job.rule} failed; {job.log} ends:\n"
        + "\n".join(f"    {line[:LETTERS]}" for line in job.said)
        for job in found
    )


def _failure(rule: str, lines: str) -> Failure:
    found = LOG.search(lines)
    log = Path(found[1].split(", ")[0]) if found else None
    if log is None or not log.is_file():
        return Failure(rule, str(log or "its log"), (SILENT,))
    text = log.read_text(encoding="utf-8", errors="replace")
    said = [line for line in text.splitlines() if line.strip()]
    return Failure(rule, str(log), tuple(said[-LINES:]) or (SILENT,))

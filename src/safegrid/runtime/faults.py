"""Readable errors for a full or read-only disk, checked before jobs start.

Libraries tell of a full disk in exceptions of their own, which keep the system's number
in their text, or not even that.
"""

import errno
import re
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from safegrid.core.errors import SafegridError

FULL = {errno.ENOSPC, errno.EDQUOT}
CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}
# Where the user's results, and what is told of them, lie below the working directory.
WRITTEN = (Path("results"), Path("logs"))

# Characters that a path must not have, and whose they are.
TAKEN = {
    "{": "Snakemake's, for wildcards",
    "}": "Snakemake's, for wildcards",
    ":": "the separator of folders in PATH and PYTHONPATH",
}

# As Rust prints it: polars, safetensors.
_NUMBER = re.compile(r"\(os error (\d+)\)")
# As torch says it.
_CUT_OFF = "PytorchStreamWriter failed writing file"


def refused(error: BaseException) -> str | None:
    """Say what it means that something could not be written; None for other errors."""
    for cause in _causes(error):
        path = getattr(cause, "filename", None)
        if path is None and getattr(cause, "errno", None) in CLOSED:
            # A signal or a port that is refused: no disk.
            continue
        sentence = _sentence(_number(cause), path or "a result")
        if sentence is not None:
            return sentence
    return None


def check_writable(folders: Iterable[Path] = WRITTEN) -> None:
    """Write and remove a block in each folder, or where it is to be made.

    Raises:
        SafegridError: that cannot be done, with the folder and what to do.
    """
    for folder in folders:
        place = next(p for p in (folder, *folder.absolute().parents) if p.is_dir())
        try:
            with tempfile.TemporaryFile(dir=place) as stream:
                stream.write(bytes(4096))
        except OSError as error:
            sentence = _sentence(error.errno, str(place)) or f"{place}: {error}"
            raise SafegridError(f"{sentence}. Nothing was started") from error


def check_paths(folders: Iterable[Path]) -> None:
    """Refuse folders in which commands and libraries would take a path for another.

    All other characters do: blanks, quotes, brackets and what shells expand.
    """
    problems = {
        f"  {str(folder)!r}: {character!r} is {why}"
        for folder in folders
        for character in str(folder)
        if (why := TAKEN.get(character) or _unprintable(character))
    }
    if problems:
        raise SafegridError(
            "no study can run in a folder of this name; rename it, or work elsewhere:\n"
            + "\n".join(sorted(problems))
        )


def _unprintable(character: str) -> str:
    bad = unicodedata.category(character) in ("Cc", "Cs")
    return "a control character, or no UTF-8" if bad else ""


def _sentence(number: int | None, path: str) -> str | None:
    if number in FULL:
        return (
            f"{path}: cannot be written, the disk is full. Free some space and start"
            " again: what was finished is kept, what was cut off is made again"
        )
    if number == errno.EROFS:
        return (
            f"{path}: cannot be written, its file system is mounted read-only. Have it"
            " mounted for writing, or work in a copy of the repository elsewhere"
        )
    if number in CLOSED:
        return (
            f"{path}: permission denied. Become the user whose folder this is, or have"
            " it opened for you, and start again"
        )
    return None


def _number(error: BaseException) -> int | None:
    """Return the system's number of an error, wherever a library keeps it."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if _CUT_OFF in str(error):
        return errno.ENOSPC
    found = _NUMBER.search(str(error))
    return int(found[1]) if found else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__

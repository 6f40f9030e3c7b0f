"""Text files as text: UTF-8 alone, without the mark that some editors put before it.

What stands in the place of a file (a pointer of Git LFS, a page of a web server, a
packed file) is told by its first bytes, so that a message can call it by its name.
"""

import codecs
import re
from collections.abc import Mapping
from pathlib import Path

from safegrid.core.errors import DataError

HEAD = 512
"""So many bytes at the beginning of a file tell what it is."""
CR_ALONE = "its lines end in CR alone, as on old Macs: save it with LF as line end"

_FETCH = "fetch it again from an address that serves the file itself"
# What stands in the place of a file of any kind, by its first bytes.
PLACEHOLDERS = {
    rb"version https://git-lfs\.github\.com/spec/": (
        "a Git LFS pointer in place of the file: run `git lfs pull` in the clone that"
        f" it is from, or {_FETCH}"
    ),
    rb"(?:[./]*\.git)?/annex/objects/": (
        "a git-annex pointer in place of the file: run `git annex get` in the clone"
        f" that it is from, or {_FETCH}"
    ),
    rb"(?i:(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)\b)": (
        "an HTML page in place of the file, such as a server sends for a login or an"
        f" error: {_FETCH}"
    ),
}
# What is no text; tried in this order, since UTF-32's mark begins with UTF-16's.
NO_TEXT = {
    rb"\xff\xfe\0\0|\0\0\xfe\xff": "UTF-32 text: save it as UTF-8",
    rb"\xff\xfe|\xfe\xff": "UTF-16 text: save it as UTF-8",
    rb"\x1f\x8b": "a file packed by gzip: unpack it",
    rb"PK\x03\x04": (
        "a zip archive, which Excel's workbooks are too: unpack it, or save the sheet"
        " as CSV in UTF-8"
    ),
}


class NotTextError(ValueError):
    """Bytes are no UTF-8 text.

    Attributes:
        line: where it shows, counted from 1.
    """

    def __init__(self, reason: str, line: int = 1) -> None:
        super().__init__(reason)
        self.line = line


def placeholder(path: Path) -> str | None:
    """Say what stands in the place of a file, if anything does.

    git-annex may leave a link to what is not there yet.
    """
    if path.is_file():
        with path.open("rb") as stream:
            return _told(stream.read(HEAD), PLACEHOLDERS)
    return _told(bytes(path.readlink()), PLACEHOLDERS) if path.is_symlink() else None


def foreign(head: bytes) -> str | None:
    """Say what the first `HEAD` bytes of a file give away that is no text, if so."""
    return _told(head, PLACEHOLDERS | NO_TEXT)


def _told(head: bytes, signs: Mapping[bytes, str]) -> str | None:
    return next((what for sign, what in signs.items() if re.match(sign, head)), None)


def decode(raw: bytes) -> str:
    """Return bytes as text, without a byte order mark before it.

    Raises:
        NotTextError: they are no UTF-8 text.
    """
    what = foreign(raw[:HEAD])
    if what is not None:
        raise NotTextError(what)
    raw = raw.removeprefix(codecs.BOM_UTF8)
    nul = raw.find(b"\0")
    if nul >= 0:
        raise NotTextError(
            "a NUL byte, which UTF-8 text does not hold: the file is UTF-16, damaged,"
            " or no text; save it as UTF-8",
            _line(raw, nul),
        )
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotTextError(
            f"not UTF-8: byte 0x{raw[error.start]:02x} is no part of any character;"
            " save the file as UTF-8",
            _line(raw, error.start),
        ) from error


def read_text(path: Path) -> str:
    """Read a text file; each line ends in LF, whatever it ends in there.

    Raises:
        DataError: it is no UTF-8 text; the message names the line.
    """
    try:
        return with_lf(decode(path.read_bytes()))
    except NotTextError as error:
        raise DataError(f"{path}:{error.line}: {error}") from error


def with_lf(text: str) -> str:
    """Return a text whose lines all end in LF."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _line(raw: bytes, place: int) -> int:
    return raw.count(b"\n", 0, place) + 1

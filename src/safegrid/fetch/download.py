"""One file from upstream: resumed, checked, renamed; whole or not there."""

import errno
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
from filelock import FileLock
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import logging as hub_logging

from safegrid.config.lock import FetchSpec, FilePin
from safegrid.core.errors import SourceError
from safegrid.core.files import sha256_file
from safegrid.core.text_files import placeholder
from safegrid.fetch.hub import address, in_words, page_of, repo_type

log = logging.getLogger(__name__)

ATTEMPTS = 3
PAUSE_SECONDS = 2.0
# Never filled to the last byte: logs and manifests are still to be written.
SPARE_BYTES = 16 * 2**20


def held(target: Path) -> FileLock:
    """Return a lock of a target, so that of two fetches of it one does the work."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(target.with_name(f".{target.name}.lock"))


def pin_of_file(path: Path) -> FilePin:
    """Return the pin of a file that is at hand."""
    return FilePin(sha256=sha256_file(path), bytes=path.stat().st_size)


def is_pinned(path: Path, pin: FilePin) -> bool:
    """Whether a file is there with the bytes that the lock says."""
    there = path.is_file() and path.stat().st_size == pin.bytes
    return there and sha256_file(path) == pin.sha256


def bring(
    spec: FetchSpec, file: str, target: Path, what: str, source: Path | None = None
) -> FilePin:
    """Bring a file to its place as it was pinned; return its pin.

    It comes from `source`, where it is at hand, or over the network. What a broken
    connection or a full disk leaves is gone on with the next time.
    """
    pin = spec.files.get(file)
    if source is not None:
        _check_own(source, what)
        pin = pin or pin_of_file(source)
    elif pin is None:
        raise SourceError(f"{what}: is not among the pinned files")
    partial = target.with_name(f".{target.name}.{pin.sha256[:12]}.partial")
    target.parent.mkdir(parents=True, exist_ok=True)
    size = pin.bytes if source is None else source.stat().st_size
    received = _size(partial) if source is None else 0
    check_room(target.parent, size - received, what)
    if source is None:
        receive(spec, file, partial, what, size)
    else:
        with room_in_words(partial, size, what):
            shutil.copyfile(source, partial)
    settle(partial, target, pin, what)
    return pin


def _check_own(source: Path, what: str) -> None:
    if stands := placeholder(source):
        raise SourceError(f"{what}: {source} is {stands}")
    if not source.is_file():
        raise SourceError(f"{what}: {source} is not there; see `path` and sources_dir")


def receive(
    spec: FetchSpec, file: str, partial: Path, what: str, size: int | None = None
) -> None:
    """Receive what is missing of a file; its `size` is None where nobody knows it."""
    # Its warnings show signed addresses.
    hub_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    page = page_of(repo_type(spec.kind, spec.remote_code), spec.hub)
    url, headers = address(spec, file)
    with in_words(what, spec.name, page), room_in_words(partial, size, what):
        for attempt in range(1, ATTEMPTS + 1):
            if size is not None and _size(partial) > size:
                partial.unlink()
            try:
                with partial.open("ab") as stream:
                    http_get(
                        *(url, stream),
                        resume_size=_size(partial),
                        headers=headers,
                        expected_size=size,
                        displayed_filename=what,
                    )
                return
            except (httpx2.TransportError, HfHubHTTPError) as error:
                may_pass = (
                    isinstance(error, httpx2.TransportError)
                    or error.response.status_code >= 500
                )
                if attempt == ATTEMPTS or not may_pass:
                    raise
                log.warning("%s: broke off at byte %d", what, _size(partial))
                time.sleep(PAUSE_SECONDS * attempt)


def settle(partial: Path, target: Path, pin: FilePin, what: str) -> None:
    """Give a received file its name if it is what was pinned, or remove it."""
    found = pin_of_file(partial)
    if found != pin:
        stands = placeholder(partial)
        partial.unlink()
        raise SourceError(
            f"{what}: got {found.bytes} bytes with sha256 {found.sha256}"
            f"{f', {stands}' if stands else ''}, but the lock says {pin.bytes} bytes"
            f" with {pin.sha256}; nothing of it is kept. Try again; if it stays so,"
            " upstream has changed it: find out why before you pin it anew"
        )
    partial.replace(target)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin what does not fit on the disk of a folder."""
    free = shutil.disk_usage(folder).free - SPARE_BYTES
    if needed > free:
        raise SourceError(
            f"{what}: needs {needed:,} bytes more in {folder}, {max(free, 0):,} are"
            " free; free some and start again"
        )


@contextmanager
def room_in_words(partial: Path, size: int | None, what: str) -> Iterator[None]:
    """Say how far a file came where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            whole = f" of {size:,}" if size else ""
            raise SourceError(
                f"{what}: the disk is full at {_size(partial):,}{whole} bytes; free"
                " some space and start again: it goes on from there"
            ) from None
        # `settle` says of a wrong size what the library would say here.
        if not str(error).startswith("Consistency check failed"):
            raise


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0

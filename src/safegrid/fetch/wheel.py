"""Wheels of a package index: pip downloads them, and single files of them are kept.

A wheel is received by pip's own client, with the user's own settings of it (index,
proxy, certificates), held against its hash, and only read: nothing of it is installed
or run. pip's texts are not repeated as they are: an index's address may be signed.
"""

import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

from safegrid.core.errors import SourceError
from safegrid.core.files import read_object, sha256_file
from safegrid.fetch.download import room_in_words

log = logging.getLogger(__name__)

# Building a package from its source would run its code: wheels alone.
WHEELS = ("--only-binary", ":all:")
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")
ADDRESS = re.compile(r"\w+://\S+")
OTHER_HASH = re.compile(r"Got\s+([0-9a-f]{64})")
VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")
UNREACHABLE = re.compile(
    r"Retrying \(|Max retries exceeded|connection broken|Could not fetch URL|timed out"
    r"|ConnectionError|ProtocolError|IncompleteRead|Errno 111|\b50\d (?:Server|Client)"
)
# Files that a message names; the others are counted.
SHOWN = 5


def download_wheel(
    requirement: str, sha256: str | None, folder: Path, what: str
) -> Path:
    """Have pip download a wheel into a folder of its own, unless it is there.

    pip refuses one of another hash than `sha256`; None takes what there is.
    """
    for wheel in folder.glob("*.whl"):
        if sha256_file(wheel) == sha256:
            log.info("%s: %s is there", what, wheel.name)
            return wheel
    shutil.rmtree(folder, ignore_errors=True)
    received = folder / "received"
    received.mkdir(parents=True)
    wanted = folder / "requirements.txt"
    pinned = f" --hash=sha256:{sha256}" if sha256 else ""
    wanted.write_text(f"{requirement}{pinned}\n", encoding="utf-8")
    log.info("%s: pip downloads %s", what, requirement)
    options = ["--no-deps", "--progress-bar", "off", "-r", str(wanted)]
    options += ["--require-hashes"] if sha256 else []
    pip(["download", *options, "--dest", str(received)], requirement, folder, what)
    (wheel,) = received.glob("*.whl")
    return wheel.rename(folder / wheel.name)


def unpack(
    wheel: Path, folder: str | None, names: Collection[str] | None, what: str
) -> Path:
    """Unpack a wheel beside it; return where its `folder` lies.

    Of the files below that, those of `names` alone, or all.
    """
    start, out = f"{folder}/" if folder else "", wheel.with_name("unpacked")
    try:
        with room_in_words(wheel, None, what), zipfile.ZipFile(wheel) as archive:
            there = [n for n in archive.namelist() if not n.endswith("/")]
            wanted = [n for n in there if n.startswith(start)]
            if names is not None:
                wanted = [f"{start}{name}" for name in names]
            if missing := set(wanted) - set(there):
                more = " and more" if len(there) > SHOWN else ""
                raise SourceError(
                    f"{what}: {wheel.name} has no {', '.join(sorted(missing))}; it has"
                    f" {', '.join(there[:SHOWN])}{more}"
                )
            archive.extractall(out, wanted)
    # Of another compression, with a password, cut off, or with a wrong checksum.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise SourceError(
            f"{what}: {wheel.name} is no whole zip archive: {error}; nothing of it is"
            " kept"
        ) from None
    return out / start


def check_offered(requirement: str, sha256: str, what: str) -> None:
    """Check that a package index offers the wheel that the lock pins.

    Where the index gives metadata apart from wheels, as PyPI does, pip from 23.3 on
    downloads no wheel for this; an older one does, into its cache, and fetching takes
    it from there.
    """
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.json"
        # What stands in the way is told soon; a download is patient.
        hasty = ["--retries", "1", "--timeout", "10"]
        options = ["--dry-run", "--ignore-installed", "--no-deps", "--quiet", *hasty]
        command = ["install", *options, "--report", str(report), requirement]
        pip(command, requirement, Path(name), what)
        (asked,) = read_object(report)["install"]
    hashes = asked["download_info"].get("archive_info", {}).get("hashes", {})
    found = hashes.get("sha256", sha256)
    if found != sha256:
        raise SourceError(
            f"{what}: the package index offers a wheel of {requirement} with sha256"
            f" {found}, but the lock says {sha256}: find out why before you pin it anew"
        )


def pip(command: Sequence[str], requirement: str, folder: Path, what: str) -> None:
    """Run pip for one wheel, with its temporary files below a folder."""
    name, *options = command
    done = subprocess.run(
        [sys.executable, *PIP, name, *WHEELS, *options],
        # Not where a small disk for temporary files may be.
        env={**os.environ, "TMPDIR": str(folder.absolute())},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode:
        raise SourceError(f"{what}: {_reason(done.stdout, requirement)}")


def _reason(told: str, requirement: str) -> str:
    """Say why pip failed, by what it told."""
    if "No module named pip" in told:
        return (
            f"{sys.executable} has no pip, which downloads wheels; add it with"
            " `python -m ensurepip`"
        )
    if "DO NOT MATCH THE HASHES" in told:
        got = OTHER_HASH.search(told)
        return (
            f"the package index has another wheel of {requirement} than the one that"
            f" is pinned{f', with sha256 {got[1]}' if got else ''}; nothing of it is"
            " kept. Find out why before you pin it anew"
        )
    if "No space left on device" in told or "Disk quota exceeded" in told:
        return "the disk is full; free some space and start again"
    if UNREACHABLE.search(told):
        return (
            "pip's package index cannot be reached, or broke off; try again where there"
            " is a network, or tell pip another index (PIP_INDEX_URL), a proxy, or a"
            " folder of wheels (PIP_FIND_LINKS)"
        )
    if "No matching distribution" in told:
        found = VERSIONS.search(told)
        return (
            f"pip's package index has no wheel of {requirement} for this machine"
            f" (versions there: {found[1] if found else 'none'})"
        )
    errors = [line for line in told.splitlines() if line.startswith("ERROR: ")]
    last = errors[-1].removeprefix("ERROR: ") if errors else "without a word"
    return f"pip failed on {requirement}: {ADDRESS.sub('(address)', last)}"

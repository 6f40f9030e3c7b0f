"""pip's own client, called for a wheel: its refusals become one sentence each.

Its texts are not repeated as they are: an index's address may be signed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from safegrid.core.errors import SourceError

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


def pip(command: Sequence[str], requirement: str, folder: Path, what: str) -> None:
    """Run pip for one wheel.

    Args:
        command: its subcommand and options.
        requirement: what it is run for.
        folder: where it may put what it receives meanwhile.
        what: begins the sentence of an error.

    Raises:
        SourceError: it failed: the index lacks the wheel, has other bytes, or cannot be
            reached; the disk is full; or this Python has no pip.
    """
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
        versions = found[1] if found else "none"
        return (
            f"pip's package index has no wheel of {requirement} for this machine"
            f" (versions there: {versions})"
        )
    errors = [line for line in told.splitlines() if line.startswith("ERROR: ")]
    last = errors[-1].removeprefix("ERROR: ") if errors else "without a word"
    return f"pip failed on {requirement}: {ADDRESS.sub('(address)', last)}"

"""The code by which an engine searches in beams: where it lies, and what it says.

It is not ours: transformers' `generate` takes it from a folder and runs it. Its bytes
are part of what names an engine, so that other code gives other answers.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from safegrid.config.beams import ENTRY
from safegrid.core.consent import REMOTE_CODE, allowed
from safegrid.core.errors import ConfigError
from safegrid.core.files import sha256_file, sha256_json
from safegrid.core.seals import check_fetched


def search_folder(files: Sequence[Path]) -> Path | None:
    """Return the folder that `generate` is given; None where nothing searches.

    Args:
        files: of a source of format `custom_generate`; the folder has its name.

    Raises:
        ConfigError: the user has not let it run, or there is nothing to run.
        DataError: a file is not as it was fetched.
    """
    if not files:
        return None
    depth = len(PurePosixPath(ENTRY).parts)
    found = [file.parents[depth - 1] for file in files if file.match(ENTRY)]
    if not found:
        names = ", ".join(map(str, files))
        raise ConfigError(f"{names}: no code of a search; expected {ENTRY} among it")
    if not allowed(REMOTE_CODE, found[0].name):
        raise ConfigError(
            f"{found[0]}: Python files that would run as you; read them, and if you"
            f" trust them set {REMOTE_CODE}={found[0].name}"
        )
    for file in files:
        check_fetched(file)
    return found[0]


def search_hash(folder: Path) -> str:
    """Return the hash of all that can be run from a folder: its Python files."""
    code = {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in sorted(folder.rglob("*.py"))
    }
    return sha256_json(code)

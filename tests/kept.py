"""What costs minutes to make, made once for all test processes of a checkout."""

import fcntl
import hashlib
import platform
import shutil
from contextlib import contextmanager
from importlib.metadata import distributions


def fingerprint(folder):
    """Hash every file of a folder, and what is installed beside it."""
    digest = hashlib.sha256(platform.python_version().encode())
    for name in sorted(f"{d.name} {d.version}" for d in distributions()):
        digest.update(name.encode())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(folder)} {content}\n".encode())
    return digest.hexdigest()[:16]


@contextmanager
def alone(folder):
    """Let one process at a time into the block; the others wait."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep(made, kept):
    """Keep a copy under a name that was free, and drop those of other names."""
    for old in kept.parent.iterdir():
        if old.is_dir():
            shutil.rmtree(old)
    part = kept.with_suffix(".part")
    shutil.copytree(made, part, symlinks=True)
    part.rename(kept)

"""A small disk, or one that cannot be written, where this machine lets us mount one."""

import subprocess
from contextlib import contextmanager

import pytest


@contextmanager
def mounted(folder, options):
    """Mount a file system in memory on a folder, with options such as `size=64k`.

    Skips the test where that is not permitted, as it is to root alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = _mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if done.returncode:
        pytest.skip(
            f"this machine lets us mount nothing ({done.stderr.strip()}): try it as"
            " docs/faults.md says"
        )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder, options):
    """Give such a file system other options."""
    done = _mount("-o", f"remount,{options}", str(folder))
    assert done.returncode == 0, done.stderr


def _mount(*options):
    command = ["mount", *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)

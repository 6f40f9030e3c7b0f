"""Commands of a cluster that is not there: each prints what a test gives it."""

import os
import shutil
import stat

import pytest

SCRIPT = "#!/bin/sh\ncat <<'END'\n{}\nEND\n"


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Return a writer of commands that come before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(name, text):
        script = folder / name
        script.write_text(SCRIPT.format(text))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    return write


@pytest.fixture
def no_slurm(tmp_path, monkeypatch):
    """Leave no command but `which` on this machine."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "which").symlink_to(shutil.which("which"))
    monkeypatch.setenv("PATH", str(folder))

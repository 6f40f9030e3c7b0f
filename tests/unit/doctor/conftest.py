"""Commands of a cluster that is not there: each prints what a test gives it."""

import os
import shutil
from types import SimpleNamespace

import pytest

SCRIPT = "#!/bin/sh\ncat <<'END'\n{}\nEND\nexit {}\n"


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """Return a writer of commands that come before all others."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def write(name, text, status=0):
        script = folder / name
        script.write_text(SCRIPT.format(text, status))
        script.chmod(0o755)

    return write


@pytest.fixture
def no_slurm(tmp_path, monkeypatch):
    """Leave no command but `which` on this machine."""
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "which").symlink_to(shutil.which("which"))
    monkeypatch.setenv("PATH", str(folder))


@pytest.fixture
def make_profile():
    """Return a maker of profiles: what is asked of one, with other settings."""

    def make(**changed):
        settings = {
            "status_command": "squeue",
            "init_seconds_before_status_checks": 20,
            "requeue": True,
            "no_requeue": False,
            "qos": None,
            "reservation": None,
        }
        found = SimpleNamespace(**settings | changed)
        file = "profiles/slurm/config.yaml"
        return SimpleNamespace(file=file, settings=lambda: found)

    return make

import subprocess
from pathlib import Path
from typing import Any

import pytest

from safegrid.core.seals import write_result
from safegrid.models.templates import ChatTokenizer
from safegrid.train.run import git_state, lineage, run_facts


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *who, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_the_commit_and_whether_code_was_changed_since(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "tag", "-a", "v1", "-m", "a tag is no commit")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "result.txt").write_text("untracked")
    assert git_state(tmp_path) == {"commit": commit, "dirty": False}
    (tmp_path / "code.py").write_text("2")
    assert git_state(tmp_path) == {"commit": commit, "dirty": True}


def test_code_that_is_no_checkout_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None


def test_a_run_tells_commit_device_and_seconds() -> None:
    facts = run_facts(12.34)
    assert set(facts) == {"git", "device", "processes", "seconds"}
    assert facts["seconds"] == 12.3
    assert facts["device"]


def test_the_base_is_told_through_every_model_that_was_trained_from_it(
    make_folder: Any, base_folder: Path
) -> None:
    template = ChatTokenizer.load(base_folder).template_hash
    base = {"weights": "base-w", "revision": "0123abcd"}
    write_result(base_folder / "manifest.json", base)
    assert lineage([base_folder]) == {"base": base, "template": template}
    trained = make_folder("trained", ChatTokenizer.load(base_folder).template)
    write_result(trained / "manifest.json", {"weights": "t", "base": base})
    assert lineage([trained]) == {"base": base, "template": template}


def test_a_base_without_a_revision_says_so(base_folder: Path) -> None:
    assert lineage([base_folder])["base"] == {"weights": "base-w", "revision": None}

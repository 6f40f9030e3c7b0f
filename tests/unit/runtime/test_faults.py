"""What a disk refuses is told in words; other errors stay what they are."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import safegrid
from disks import mounted
from safegrid import cli
from safegrid.core.errors import SafegridError
from safegrid.runtime.faults import check_paths, check_writable, refused


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "no", "a/b"), "a/b: cannot .* the disk is full"),
        (OSError(errno.EDQUOT, "no", "a/b"), "the disk is full"),
        (OSError(errno.EROFS, "no", "a/b"), "a/b: .* mounted read-only"),
        (PermissionError(errno.EACCES, "no", "a/b"), "a/b: permission denied"),
        (Exception("No space left on device (os error 28)"), "the disk is full"),
        (PermissionError("Permission denied (os error 13): x"), "permission denied"),
        (RuntimeError("PytorchStreamWriter failed writing file 3"), "the disk is full"),
    ],
)
def test_a_refusal_is_a_sentence(error, words):
    assert re.search(words, refused(error))
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = error
    assert refused(wrapped) == refused(error)


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(2, "no", "x"),
        ValueError("x"),
        # A signal to somebody else's process, a port that is not ours: no disk.
        PermissionError(errno.EPERM, "no"),
    ],
)
def test_other_errors_keep_their_traceback(error, monkeypatch):
    def fail(study: str) -> None:
        raise error

    assert refused(error) is None
    monkeypatch.setattr("safegrid.workflow.rates.print_rates", fail)
    with pytest.raises(type(error)):
        cli.run(["rates", "--study", "s"])


@pytest.mark.parametrize(
    ("options", "filled", "words"),
    [("ro", 0, "mounted read-only"), ("size=8k", 8192, "the disk is full")],
)
def test_a_disk_that_takes_nothing_is_found_before_jobs_start(
    tmp_path, options, filled, words
):
    with mounted(tmp_path / "disk", options) as disk:
        if filled:
            (disk / "filler").write_bytes(bytes(filled))
        with pytest.raises(SafegridError, match=f"{words}.*Nothing was started"):
            check_writable([disk / "results"])
    before = sorted(tmp_path.iterdir())
    check_writable([tmp_path, tmp_path / "not/there"])
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(os.getuid() != 0, reason="becoming another user takes root")
def test_a_folder_of_another_user_is_found_before_jobs_start():
    # A root ignores modes, so somebody else looks: at the root of the file system.
    code = (
        "from pathlib import Path; from safegrid.runtime.faults import check_writable;"
        "check_writable([Path('/')])"
    )
    nobody = ["setpriv", "--reuid=65534", "--clear-groups", sys.executable, "-c", code]
    done = subprocess.run(nobody, capture_output=True, text=True, check=False)
    assert "SafegridError: /: permission denied. Become the user" in done.stderr


def test_paths_that_mean_something_else_are_refused_with_their_character():
    check_paths([Path('/a/-n [v2] it\'s "q" $H;&#%41~*?\\é\u3000,=()!|<>`id`')])
    with pytest.raises(SafegridError, match="rename it, or work elsewhere") as told:
        check_paths([Path("/a{x}/b"), Path("/b/c:d"), Path("/line\nline"), Path("/c")])
    assert str(told.value).count("\n") == 4
    for character in ("{", "}", ":", "\n"):
        assert f": {character!r} is " in str(told.value)


READS = re.compile(r"pl\.(?:read|scan)_(?:parquet|csv|ndjson)\([^()]*\)")


def test_polars_never_takes_a_path_for_a_pattern():
    calls = [
        call
        for file in Path(safegrid.__file__).parent.rglob("*.py")
        for call in READS.findall(file.read_text("utf-8"))
    ]
    assert len(calls) > 5
    assert [call for call in calls if "glob=False" not in call] == []

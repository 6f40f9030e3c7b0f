"""Jobs in SLURM's queue are never left behind in silence."""

import pytest

from safegrid.core.errors import SafegridError
from safegrid.runtime.slurm import cancel_jobs


def test_a_folder_that_never_used_slurm_needs_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert cancel_jobs(tmp_path, tmp_path / "slurm_logs") == []


def test_one_that_did_is_not_called_clean_where_slurm_is_not_found(
    tmp_path, monkeypatch
):
    logs = tmp_path / "slurm_logs"
    logs.mkdir()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SafegridError, match=f"used SLURM.* rm -r {logs}"):
        cancel_jobs(tmp_path, logs)

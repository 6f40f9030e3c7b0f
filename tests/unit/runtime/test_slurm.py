"""Jobs in SLURM's queue are never left behind in silence."""

import pytest

from safegrid.core.errors import SafegridError
from safegrid.runtime.slurm import LOGS, ask, cancel_jobs


def test_where_slurm_is_not_found_only_a_folder_that_used_it_is_refused(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert cancel_jobs() == []
    with pytest.raises(SafegridError, match="sinfo is not installed here"):
        ask("sinfo")
    LOGS.mkdir(parents=True)
    with pytest.raises(SafegridError, match=f"used SLURM.* rm -r {LOGS}"):
        cancel_jobs()

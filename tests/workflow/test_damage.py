"""A finished study of which results were edited, damaged and cut off, and made again.

One copy of the study tells the whole story, in the order of the tests.
"""

import os
from pathlib import Path

import polars as pl
import pytest

from safegrid.core.artifacts import METADATA_KEY

CELLS = "results/tiny/responses/tiny-base"
EDITED = f"{CELLS}/dpo/seed0/alert.parquet"
CUT = f"{CELLS}/nca/seed0/xstest.parquet"
FLIPPED = "results/tiny/scores.parquet"


@pytest.fixture(scope="module")
def damaged(shared_copy):
    """A copy, the bytes that its results had, and two runs of it."""
    tree = shared_copy
    tree.stop_at(FLIPPED)
    tree.whole = {name: tree.read(name) for name in tree.made()}
    edit(tree.folder / EDITED)
    cut = tree.folder / CUT
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    flip(tree.folder / FLIPPED)
    tree.first = tree.run(*tree.study_command)
    tree.second = tree.run(*tree.study_command, "--rebuild-damaged")
    return tree


def edit(path: Path) -> None:
    """Change all answers and keep the manifest that stood beside them."""
    kept = pl.read_parquet_metadata(path)[METADATA_KEY]
    frame = pl.read_parquet(path).with_columns(text=pl.lit("I cannot help with that."))
    frame.write_parquet(path, metadata={METADATA_KEY: kept})


def flip(path: Path) -> None:
    """Change one byte of the rows, as a disk does: no clock tells of it."""
    times = path.stat()
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_run_takes_nothing_from_damaged_results_and_says_how_to_make_them_again(
    damaged,
):
    assert damaged.first.returncode == 1
    told = damaged.first.stdout
    assert f"error: {EDITED}: is not as it was written" in told
    assert f"error: {CUT}: carries no own_sha256" in told
    assert "make study STUDY=tiny REBUILD_DAMAGED=1" in told
    assert "Traceback" not in told
    assert "what the finished cells allow is in results/tiny/partial/" in told
    # The same words once more where all failures are listed, at the end.
    end = told.split("study tiny: failed jobs: ")[-1]
    for file in (EDITED, CUT):
        assert f"--config study=tiny --forcerun {file}" in end


def test_the_command_that_is_named_makes_the_result_again(finished):
    command = f"snakemake --cores 2 --config study=tiny --forcerun {EDITED}"
    plan = finished.call(*command.split(), "--dry-run")
    assert f"output: {EDITED}" in plan
    assert plan.count("rule generate:") == 1


def test_with_the_option_they_are_listed_and_made_again(damaged):
    told = damaged.second.stdout
    assert damaged.second.returncode == 0, told
    assert "study tiny: damaged results: 3\n" in told
    for file in (EDITED, CUT, FLIPPED):
        assert f"  {file}: " in told


def test_results_are_what_they_were(damaged):
    scores = [name for name in damaged.whole if name.startswith("results/tiny/scores")]
    assert len(scores) > 10
    for name in (EDITED, CUT, *scores):
        assert damaged.read(name) == damaged.whole[name], name


def test_nothing_is_left_to_do(damaged):
    assert damaged.plan().counts == {}
    again = damaged.run(*damaged.study_command, "--rebuild-damaged").stdout
    assert "study tiny: damaged results: 0\n" in again
    assert "nothing to do" in again

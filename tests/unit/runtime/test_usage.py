"""What answers took is kept beside the logs, and read only for the same result."""

from pathlib import Path

import pytest

from safegrid.runtime.devices import UNKNOWN, visible_gpu
from safegrid.runtime.usage import (
    Record,
    UntimedError,
    Usage,
    keep,
    record_file,
    recorded,
)

ENGINE = {"kind": "safegrid", "version": "1", "dtype": "float32", "weights": "w"}
RESULT = Path("results/s/verdicts/guard/base/dpo/seed0/alert.parquet")


def usage(seconds=2.0, measured="engine", device="NVIDIA H200"):
    return Usage(1, 2, 30, 4, seconds, measured, device)


@pytest.fixture(autouse=True)
def at_home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("before", ["", "/there/", "results/of/mine/"])
def test_the_record_lies_with_the_logs_of_the_same_tree(before):
    path = Path(f"{before}logs/speed/s/verdicts/guard/base/dpo/seed0/alert.json")
    assert record_file(Path(f"{before}{RESULT}")) == path
    assert record_file(Path("mine/alert.parquet")) is None


@pytest.mark.parametrize("took", [usage(), None])
def test_what_is_kept_is_read_again(took):
    record = Record(5, 3, 1, ENGINE, "results/bases/base", took)
    keep(RESULT, record)
    assert recorded(RESULT, ENGINE) == record


@pytest.mark.parametrize(
    ("kept", "engine", "why"),
    [
        (None, None, "no model was asked"),
        (None, ENGINE, "no record logs/speed/s/verdicts"),
        ("", ENGINE | {"weights": "v"}, "of another result"),
        *((text, ENGINE, r"alert\.json: holds no Record") for text in ("[1]", "7")),
        ('{"answers": "1", "usage": null}', ENGINE, "holds no Record"),
    ],
)
def test_a_blank_says_why(kept, engine, why):
    if kept is not None:
        keep(RESULT, Record(5, 3, 1, ENGINE, "m", usage()))
    if kept:
        record_file(RESULT).write_text(kept)
    with pytest.raises(UntimedError, match=why):
        recorded(RESULT, engine)


def test_sums_name_every_device_and_clock_once():
    three = usage() + usage(1.5) + usage(0.5, "client", "NVIDIA L40S")
    assert three == Usage(
        3, 6, 90, 12, 4.0, "client and engine", "NVIDIA H200 and NVIDIA L40S"
    )
    nothing = Usage(0, 0, 0, 0, 0.0, "", "NVIDIA H200")
    assert nothing + usage() == Usage(1, 2, 30, 4, 2.0, "engine", "NVIDIA H200")


def test_the_first_visible_gpu_is_the_drivers(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpu() == UNKNOWN
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$3" = --id=9 ] && exit 6\necho "NVIDIA $3"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert visible_gpu() == "NVIDIA --id=2"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "9")
    assert visible_gpu() == UNKNOWN

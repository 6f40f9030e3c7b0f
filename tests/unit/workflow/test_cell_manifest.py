"""A cell manifest says what a model's cells are made of and how fast they were."""

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from safegrid.core.artifacts import (
    manifest,
    read_result,
    sha256_file,
    write_json,
    write_result,
    write_table,
)
from safegrid.core.errors import DataError
from safegrid.cost.registry import load_gpus, read_shape
from safegrid.runtime.usage import Record, Usage, keep
from safegrid.workflow.cell_manifest import BLANK, write_cell_manifest

CONFIG = Path(__file__).parents[3] / "config"
ENGINE = {"kind": "safegrid", "version": "1", "dtype": "bfloat16", "weights": "w"}
BASE = "results/bases/base"
SHAPE = {
    "model_type": "llama",
    "num_hidden_layers": 2,
    "hidden_size": 64,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 500,
}
CELL_MANIFESTS = Path("results/s/cell_manifests/base/dpo/seed0/answers.json")
RESPONSES = Path("results/s/responses/base/dpo/seed0/alert.parquet")
H200 = Usage(2, 40, 3000, 1000, 0.5, "engine", "NVIDIA H200")


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    """A finished cell of a model whose shape is known."""
    monkeypatch.chdir(tmp_path)
    result(RESPONSES, engine=ENGINE)
    write_json(Path(BASE, "config.json"), SHAPE)
    return tmp_path


def result(path, **facts):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame({"a": [1]})
    write_table(path, frame, {"a": pl.Int64()}, manifest("generate", {}, {}, **facts))


def take():
    write_cell_manifest([RESPONSES], CONFIG, CELL_MANIFESTS)
    ((name, entry),) = read_result(CELL_MANIFESTS)["files"].items()
    assert name == "responses/base/dpo/seed0/alert.parquet"
    assert entry["stage"] == "generate"
    assert entry["sha256"] == sha256_file(RESPONSES)
    assert set(entry["speed"]) == set(BLANK)
    return entry["speed"]


def test_a_speed_has_its_tokens_device_and_mfu():
    keep(RESPONSES, Record(40, 10, 0, ENGINE, BASE, H200))
    speed = take()
    assert speed["why"] is None
    assert (speed["tokens_in"], speed["tokens_out"]) == (3000, 1000)
    assert (speed["seconds"], speed["tokens_per_second"]) == (0.5, 8000)
    assert (speed["device"], speed["dtype"]) == ("NVIDIA H200", "bfloat16")
    assert (speed["answers"], speed["from_cache"]) == (40, 10)
    peak = load_gpus(CONFIG)["h200"].bf16_tflops * 1e12
    flops = 2 * read_shape(SHAPE).active * 4000
    assert speed["mfu"] == pytest.approx(flops / (0.5 * peak))


@pytest.mark.parametrize(
    ("device", "gone", "why"),
    [
        ("cpu x86_64", False, "the peak of cpu x86_64 is not in config/gpus.yaml"),
        ("NVIDIA H200", True, f"{BASE}: no config.json that says its shape"),
    ],
)
def test_without_a_peak_or_a_model_there_is_a_speed_and_no_mfu(device, gone, why):
    usage = replace(H200, device=device)
    keep(RESPONSES, Record(40, 10, 0, ENGINE, BASE, usage))
    if gone:
        shutil.rmtree(BASE)
    speed = take()
    assert (speed["tokens_per_second"], speed["mfu"]) == (8000, None)
    assert speed["why"] == why


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (None, "there is no record logs/speed/s/responses/base/dpo/seed0/alert.json"),
        (Record(40, 40, 40, ENGINE, BASE, None), "of a cache without seconds"),
        (Record(2, 0, 0, ENGINE, BASE, replace(H200, requests=0)), "nothing could be"),
    ],
)
def test_an_unknown_speed_is_null_with_its_reason(record, why):
    if record is not None:
        keep(RESPONSES, record)
    speed = take()
    assert why in speed["why"]
    assert (speed["seconds"], speed["tokens_per_second"], speed["mfu"]) == (None,) * 3
    result(RESPONSES, engine=None)
    assert take()["why"] == "no model was asked"


def test_a_file_of_no_stage_is_refused():
    write_result(Path("x.json"), {"manifest": {"rows": 1}})
    with pytest.raises(DataError, match="names no stage"):
        write_cell_manifest([Path("x.json")], CONFIG, CELL_MANIFESTS)

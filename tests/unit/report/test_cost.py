"""The page of costs: plan and reality of the jobs that are finished."""

import csv
import shutil
from pathlib import Path

import pytest
import yaml

from safegrid.config.load import load_config
from safegrid.core.seals import write_result
from safegrid.cost.registry import load_assumptions, load_gpus
from safegrid.report.cost import cost_table
from safegrid.report.writing import save
from safegrid.runtime.usage import NO_MODEL
from safegrid.study import Study
from score_tables import cell, titles

CONFIG = Path(__file__).parents[3] / "config"
CPU = "cpu x86_64, 2 threads"
SPEED = {"tokens_in": 20_000, "tokens_out": 10_000, "seconds": 6.0}
SPEED |= {"dtype": "float32", "why": None}
UNKNOWN = {"seconds": None, "why": "its logs are gone"}
RULES = {"seconds": None, "why": NO_MODEL}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The study `mini` in a folder where nothing of it is finished."""
    monkeypatch.chdir(tmp_path)
    return Study(load_config(CONFIG, "mini"))


def finish(study, recipe, name, *files):
    """Write a cell manifest: files as (stage, path below the study, speed)."""
    model = next(model for model in study.models if model.recipe == recipe)
    entries = {
        path.format(model=model.path): {"stage": s, "speed": speed}
        for s, path, speed in files
    }
    manifest = Path(study.root, "cell_manifests", model.path, f"{name}.json")
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_result(manifest, {"files": entries})


def generated(device, **changed):
    speed = SPEED | {"device": device} | changed
    return ("generate", "responses/{model}/alert.parquet", speed)


def cells(table):
    """Return row title to column title to entry."""
    return {row: {t: cell(table, row, t) for t in titles(table)} for row in table.rows}


def test_a_cpu_has_seconds_and_tokens_and_a_reason_for_its_blanks(study, tmp_path):
    finish(study, "dpo", "answers", generated(CPU))
    finish(study, "nca", "answers", generated(CPU, seconds=4.0))
    table = cost_table("mini", CONFIG)
    (row,) = (found := cells(table)).values()
    assert list(found) == [f"generate on {CPU}"]
    assert row["tokens"].value == 60_000
    assert row["real s"].value == 10.0
    assert row["tokens / s"].value == 6_000
    assert row["tokens"].n == 2
    assert row["TFLOP"].value > 0
    assert row["planned tokens"].value > 0
    for title in ("planned s", "real / planned", "MFU"):
        assert row[title].value is None
        assert row[title].reason == f"the peak of {CPU} is not in config/gpus.yaml"
    text = save(table, tmp_path)
    assert "is not in config/gpus.yaml" in text
    assert "e+" not in text
    (written,) = csv.DictReader((tmp_path / "cost.csv").open())
    assert (float(written["real s"]), written["MFU"]) == (10.0, "")


def test_a_known_gpu_is_set_beside_its_own_plan(study):
    finish(study, "dpo", "answers", generated("NVIDIA L40S"))
    finish(study, "nca", "answers", generated("NVIDIA H200"))
    found = cells(cost_table("mini", CONFIG))
    assert list(found) == ["generate on NVIDIA H200", "generate on NVIDIA L40S"]
    gpus = load_gpus(CONFIG)
    for device, name in (("NVIDIA H200", "h200"), ("NVIDIA L40S", "l40s")):
        row = found[f"generate on {device}"]
        peak = gpus[name].fp32_tflops * 1e12
        flops = row["TFLOP"].value * 1e12
        assert row["MFU"].value == pytest.approx(flops / (6.0 * peak))
        assert row["real / planned"].value == pytest.approx(6 / row["planned s"].value)


def test_kinds_stand_in_their_order_and_what_is_left_out_is_said(study):
    judged = ("judge", "verdicts/mini-guard/{model}/alert.parquet")
    finish(study, "dpo", "answers", generated(CPU))
    finish(
        study,
        "dpo",
        "verdicts",
        (*judged, SPEED | {"device": CPU}),
        ("judge", "verdicts/mini-refusal/{model}/alert.parquet", UNKNOWN),
        ("judge", "verdicts/rules/{model}/alert.parquet", RULES),
    )
    table = cost_table("mini", CONFIG)
    assert table.rows == [f"generate on {CPU}", f"judge on {CPU}"]
    assert table.notes[1:] == ["Left out: 1 of judge: its logs are gone."]
    shares = load_assumptions(CONFIG).shares
    assert f"judge {shares['judge']:g}" in table.notes[0]


def test_a_finished_job_without_a_plan_is_named(study, tmp_path):
    config = tmp_path / "config"
    shutil.copytree(CONFIG, config)
    file = config / "assumptions.yaml"
    text = yaml.safe_load(file.read_text()) | {"sources": {}}
    file.write_text(yaml.safe_dump(text))
    finish(study, "dpo", "answers", generated(CPU))
    table = cost_table("mini", config)
    assert table.rows == []
    (note,) = table.notes[1:]
    assert note.startswith("Left out: 1 of generate: nothing is known of")


def test_a_study_of_which_nothing_is_finished_has_an_empty_page(study, tmp_path):
    table = cost_table("mini", CONFIG)
    assert table.rows == []
    assert "no job has finished" in save(table, tmp_path)

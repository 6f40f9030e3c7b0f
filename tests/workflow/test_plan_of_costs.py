"""A plan beside what a run really had, and the refusal of what does not fit."""

import json

import pytest

from safegrid.cost.data import Data
from safegrid.cost.measured import training_speeds
from safegrid.cost.planner import Planner
from safegrid.cost.registry import load_assumptions, load_gpus


def test_trainings_have_the_tokens_that_were_planned(finished):
    config = finished.folder / "config"
    study = finished.study
    assumed, gpu = load_assumptions(config), load_gpus(config)["h200"]
    data = Data(study, assumed, finished.folder)
    jobs = Planner(data, gpu).jobs()
    planned = {job.name: job.work.tokens_in for job in jobs if job.kind == "train"}
    speeds, left_out = training_speeds(study, finished.folder)
    assert len(speeds) == len(study.trained)
    assert left_out == []
    # Four steps are a draw: the whole dataset's mean is not quite theirs.
    for speed in speeds:
        assert planned[speed.name] == pytest.approx(speed.tokens_in, rel=0.1)


def test_a_finished_study_is_measured(finished, tmp_path):
    out = tmp_path / "plan.json"
    asked = ("plan", "--study", "tiny", "--gpu", "h200", "--out", str(out))
    text = finished.call(*finished.safegrid(*asked))
    assert "lengths measured: results/tiny/pairs/tiny-base/safety.parquet" in text
    assert "shape read in: results/bases/tiny-base" in text
    found = json.loads(out.read_text())
    kinds = {row["kind"] for row in found["rows"] if row["reads"]["measured"]}
    assert kinds >= {"reference", "train", "generate"}
    compared = {row["kind"]: row for row in found["compared"]}
    assert set(compared) == {"train", "generate", "judge", "capability"}
    for row in compared.values():
        assert row["tokens_a_second"] > 0
        assert (row["planned"], row["mfu"]) == (None, None)
        assert "not in config/gpus.yaml" in row["why"]


def test_what_does_not_fit_starts_nothing(fresh):
    lora = "lora: {r: 16, lora_alpha: 16, lora_dropout: 0.05}"
    command = "snakemake --config study=falcon-11b --set-resources"
    command += " train:gres=gpu:h200:1 -- train_all"
    study = "config/studies/falcon-11b.yaml"
    with fresh.edited(study, lambda text: text.replace(lora, "lora: null")):
        done = fresh.run(*command.split())
    assert done.returncode != 0
    assert "training of dpo" in done.stdout
    fits = "it fits with `lora: {r: 16, lora_alpha: 16}` under `training`"
    assert fits in done.stdout
    assert fresh.made() == []

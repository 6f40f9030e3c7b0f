"""What does not fit is refused, and the change that is named makes it fit."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from safegrid.core.errors import ConfigError
from safegrid.cost.data import Data
from safegrid.cost.fit import asked_gpus, check_fit, problems_of_fit
from safegrid.cost.jobs import RULES
from safegrid.cost.registry import meant
from safegrid.study import Study

FULL = {"lora": None, "gradient_checkpointing": False}


@pytest.fixture
def told(make_study, assumed, gpus, tmp_path):
    """Return a caller for the problems of falcon-11b with other settings on a GPU."""

    def call(gpu, *rules, memory_gb=None, study=None, **changed):
        data = Data(study or make_study("falcon-11b", changed), assumed, tmp_path)
        sheet = gpus[gpu]
        if memory_gb is not None:
            sheet = sheet.model_copy(update={"memory_gb": memory_gb})
        return problems_of_fit(data, dict.fromkeys(rules or RULES, (gpu, sheet)))

    return call


def test_full_fine_tuning_of_11b_is_refused_with_what_mends_it(told):
    (pairs,) = told("h200", training=FULL)
    assert "training of dpo, rdpo" in pairs
    assert "of the 141 GB of h200 131 can be used" in pairs
    assert "optimizer 88.8" in pairs
    mended = "`gradient_checkpointing: true` and `lora: {r: 16, lora_alpha: 16}`"
    assert f"it fits with {mended} under `training`" in pairs
    lora = {"r": 16, "lora_alpha": 16, "lora_dropout": 0.0}
    assert told("h200", training={"gradient_checkpointing": True, "lora": lora}) == []


@pytest.mark.parametrize(("batch", "size", "processes"), [(32, 4, 8), (16, 2, 4)])
def test_several_changes_that_are_named_make_it_fit(told, batch, size, processes):
    # Processes and micro-batches must divide the batch.
    problem, *_ = told("a10", "train", training={"batch": batch})
    assert (
        f"it fits with `per_device_train_batch_size: {size}` and `processes:"
        f" {processes}` with `accelerate: fsdp` ({processes} GPUs)" in problem
    )
    changed = {"per_device_train_batch_size": size, "processes": processes}
    left = told("a10", "train", training={**changed, "accelerate": "fsdp"})
    assert not [problem for problem in left if "training of dpo" in problem]


def test_a_loss_that_compares_within_a_micro_batch_keeps_two_pairs(told):
    (problem,) = told("a10", "train", memory_gb=13.0)
    assert "no change that we know of makes it fit" in problem
    # Without those losses one pair a micro-batch does.
    others = {name: {"method": "dpo"} for name in ("kto", "aot", "aotp")}
    (problem,) = told("a10", "train", memory_gb=13.0, recipes=others)
    assert "`per_device_train_batch_size: 1` and `processes: 8`" in problem


def test_what_no_setting_mends_is_told(told):
    (problem,) = told("h100", "generate")
    assert problem.startswith("generate by mixtral-8x7b-instruct needs 107 GB")
    assert "serve the model on 2 GPUs or more, with `kind: address` under" in problem
    found = told("h200", "generate", engine={"max_batch_tokens": 400_000})
    assert any("`max_batch_tokens: " in problem for problem in found)


def test_rules_without_a_gpu_are_not_checked(told, make_study, assumed, tmp_path):
    data = Data(make_study("falcon-11b", {"training": FULL}), assumed, tmp_path)
    assert problems_of_fit(data, {}) == told("h200", "judge", study=data.study) == []


def test_a_server_that_runs_already_is_not_ours_to_fit(told):
    engine = {"kind": "address", "address": "http://localhost:8000"}
    assert told("a10", "generate", engine=engine) == []


def test_judges_that_are_served_at_once_must_fit_together(told):
    # 44.7 GB of a 48 GB GPU can be used; the largest judges hold about 23 and 22 GB.
    found = told("h200", "judge", memory_gb=47.0)
    (together,) = [p for p in found if "judges of falcon-11b's answers at once" in p]
    assert "it fits with `max_engines: 1` under `engine`" in together
    alone = told("h200", "judge", memory_gb=47.0, engine={"max_engines": 1})
    assert not [problem for problem in alone if "at once" in problem]


def test_an_unknown_shape_is_not_judged(told, make_study):
    config = make_study("falcon-11b", {"training": FULL}).config
    unknown = {"shape": None, "n_params_b": None}
    bare = config.bases["falcon-11b"].model_copy(update=unknown)
    bases = {**config.bases, "falcon-11b": bare}
    assert told("h200", "train", study=Study(replace(config, bases=bases))) == []


def settings(default: Any = None, **by_rule: Any) -> Any:
    """Return resources as Snakemake has them: each with what was written."""

    def raw(found: dict[str, Any]) -> dict[str, Any]:
        return {name: SimpleNamespace(raw=value) for name, value in found.items()}

    return SimpleNamespace(
        default_resources=None if default is None else raw(default),
        overwrite_resources={rule: raw(found) for rule, found in by_rule.items()},
    )


@pytest.mark.parametrize(
    ("called", "known"),
    [
        ("h200", "h200"),
        ("nvidia_h200", "h200"),
        ("NVIDIA A100-SXM4-80GB", "a100-80"),
        ("NVIDIA H100 80GB HBM3", "h100"),
        ("NVIDIA A10G", None),
        ("cpu x86_64, 2 threads", None),
    ],
)
def test_a_gpu_is_known_by_what_it_is_called(gpus, called, known):
    assert meant(gpus, called) == known


def test_no_name_means_two_gpus(gpus):
    for own, gpu in gpus.items():
        assert {meant(gpus, name) for name in (own, *gpu.aliases)} == {own}


def test_a_rule_is_stronger_than_the_default():
    default, stronger = {"gres": "'gpu:h200:1'"}, {"gres": "gpu:a100_80gb:2"}
    found = asked_gpus(settings(default, train=stronger))
    assert found == {**dict.fromkeys(RULES, "h200"), "train": "a100_80gb"}
    model = settings(train={"gpu": 1, "gpu_model": "'l40s'"})
    assert asked_gpus(model) == {"train": "l40s"}, "as the SLURM plugin has it"
    for resources in ({}, {"gres": "gpu:1"}, {"gpu": 1}, {"gres": None}):
        assert asked_gpus(settings(resources)) == {}, "no name"


def test_a_study_that_does_not_fit_is_refused(make_study, tmp_path):
    study, config = make_study("falcon-11b", {"training": FULL}), tmp_path / "config"
    with pytest.raises(ConfigError, match="1 kind of job does not fit"):
        check_fit(study, config, None, settings(train={"gres": "gpu:h200:1"}))
    with pytest.raises(ConfigError, match="it fits with `gradient_checkpointing"):
        check_fit(study, config, "h200", settings())
    # Of an unknown GPU that is said; without one nothing is read.
    said = check_fit(study, config, None, settings({"gres": "gpu:b900:1"}))
    assert "not checked for GPU b900" in said
    assert check_fit(study, tmp_path / "nowhere", None, settings()) == ""


def test_the_option_is_stronger_than_the_profile(make_study, tmp_path):
    study, config = make_study("falcon-11b"), tmp_path / "config"
    asked = settings({"gres": "gpu:a10:1"})
    assert check_fit(study, config, "h200", asked) == ""
    with pytest.raises(ConfigError, match="did you mean 'h200'"):
        check_fit(study, config, "h20", asked)

"""What does not fit is refused, and the change that is named makes it fit."""

from dataclasses import replace

import pytest

from safegrid.cost.fit import changes, problems_of_fit
from safegrid.cost.memory import usable
from safegrid.cost.needs import RULES, needs

FULL = {"lora": None, "gradient_checkpointing": False}


def on(name, gpus, rules=RULES):
    return dict.fromkeys(rules, (name, gpus[name]))


def test_the_full_study_fits_on_an_h200(make_study, gpus, tmp_path):
    assert problems_of_fit(make_study("falcon-11b"), on("h200", gpus), tmp_path) == []


def test_full_fine_tuning_of_11b_is_refused_with_what_mends_it(
    make_study, gpus, tmp_path
):
    study = make_study("falcon-11b", {"training": FULL})
    found = problems_of_fit(study, on("h200", gpus), tmp_path)
    pairs, orpo = found
    assert "training of dpo, rdpo" in pairs
    assert "training of orpo from falcon-11b" in orpo
    assert "of the 141 GB of h200 131 can be used" in pairs
    assert "optimizer 88.8" in pairs
    mended = "`gradient_checkpointing: true` and `lora: {r: 16, lora_alpha: 16}`"
    assert f"it fits with {mended} under `training`" in pairs
    lora = {"r": 16, "lora_alpha": 16, "lora_dropout": 0.0}
    study = make_study(
        "falcon-11b", {"training": {"gradient_checkpointing": True, "lora": lora}}
    )
    assert problems_of_fit(study, on("h200", gpus), tmp_path) == []


@pytest.mark.parametrize("gpu", ["a10", "a100-40", "h100"])
def test_named_changes_make_it_fit(make_study, gpus, gpu, tmp_path):
    study, given = make_study("falcon-11b", {"training": FULL}), on(gpu, gpus)
    room = usable(gpus[gpu])
    named = 0
    for need in needs(study, given, tmp_path):
        written = changes(need, room)
        if need.memory.total <= room or not written:
            continue
        settings = {}
        for axis in need.axes:
            for text, set_ in axis:
                settings |= set_ if text in written else {}
        held = need.after(settings)
        assert held is not None
        assert held.total <= room < need.memory.total, need.subject
        named += 1
    assert named


def test_what_no_setting_mends_is_told(make_study, gpus, tmp_path):
    study = make_study("falcon-11b")
    found = problems_of_fit(study, on("h100", gpus, ["generate"]), tmp_path)
    (problem,) = found
    assert problem.startswith("generate by mixtral-8x7b-instruct needs 101 GB")
    assert "serve the model on 2 GPUs or more, with `kind: address` under" in problem


def test_a_loss_that_compares_within_a_micro_batch_keeps_two_pairs(
    make_study, gpus, tmp_path
):
    study = make_study("falcon-11b")
    (need,) = {
        need.subject: need
        for need in needs(study, on("a10", gpus, ["train"]), tmp_path)
        if "orpo" not in need.subject
    }.values()
    sizes = [
        text
        for axis in need.axes
        for text, _ in axis
        if "per_device_train_batch_size" in text
    ]
    assert "`per_device_train_batch_size: 2`" in sizes
    assert "`per_device_train_batch_size: 1`" not in sizes


def test_a_number_of_processes_divides_the_batch(make_study, gpus, tmp_path):
    study = make_study("falcon-11b", {"training": {"batch": 8}})
    need, *_ = needs(study, on("a10", gpus, ["train"]), tmp_path)
    assert need.after({"processes": 8, "accelerate": "fsdp"}) is None
    assert need.after(
        {"processes": 8, "accelerate": "fsdp", "per_device_train_batch_size": 1}
    )


def test_rules_without_a_gpu_are_not_checked(make_study, gpus, tmp_path):
    study = make_study("falcon-11b", {"training": FULL})
    assert problems_of_fit(study, {}, tmp_path) == []
    assert problems_of_fit(study, on("h200", gpus, ["judge"]), tmp_path) == []


def test_a_server_that_runs_already_is_not_ours_to_fit(make_study, gpus, tmp_path):
    engine = {"kind": "address", "address": "http://localhost:8000"}
    study = make_study("falcon-11b", {"engine": engine})
    assert problems_of_fit(study, on("a10", gpus, ["generate"]), tmp_path) == []


def test_judges_that_are_served_at_once_must_fit_together(make_study, gpus, tmp_path):
    # 44.7 GB of a 48 GB GPU can be used; the largest judges hold about 23 and 22 GB.
    study = make_study("falcon-11b")
    small = {"l": gpus["h200"].model_copy(update={"memory_gb": 47.0})}
    found = problems_of_fit(study, on("l", small, ["judge"]), tmp_path)
    (told,) = [p for p in found if "judges of falcon-11b's answers at once" in p]
    assert "it fits with `max_engines: 1` under `engine`" in told
    alone = make_study("falcon-11b", {"engine": {"max_engines": 1}})
    left = problems_of_fit(alone, on("l", small, ["judge"]), tmp_path)
    assert not [p for p in left if "at once" in p]


def test_a_smaller_chunk_is_named_for_an_engine(make_study, gpus, tmp_path):
    study = make_study("falcon-11b", {"engine": {"max_batch_tokens": 400_000}})
    found = problems_of_fit(study, on("h200", gpus, ["generate"]), tmp_path)
    assert any("`max_batch_tokens: " in problem for problem in found)


def test_an_unknown_shape_is_not_judged(make_study, gpus, tmp_path):
    study = make_study("falcon-11b", {"training": FULL})
    bare = study.config.bases["falcon-11b"].model_copy(
        update={"shape": None, "n_params_b": None}
    )
    config = replace(study.config, bases={**study.config.bases, "falcon-11b": bare})
    study = type(study)(config)
    assert problems_of_fit(study, on("h200", gpus, ["train"]), tmp_path) == []

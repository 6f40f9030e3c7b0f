"""A stage's number is raised, or its code is confirmed to give the same results."""

import importlib.util
import json
from pathlib import Path

import pytest

from safegrid.core import closure
from safegrid.core.stages import VERSIONS

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def confirm():
    """The module behind `make confirm`."""
    path = HERE / "confirm_stages.py"
    spec = importlib.util.spec_from_file_location("confirm_stages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_stage_is_the_number_of_a_rule_and_every_number_a_stage(confirm):
    assert set(confirm.commands()) == set(VERSIONS)
    assert all(confirm.commands().values())


@pytest.mark.parametrize("stage", VERSIONS)
def test_a_number_stands_for_the_code_and_libraries_it_was_confirmed_with(
    confirm, stage
):
    recorded = json.loads((HERE / "stages.json").read_text()).get(stage)
    assert confirm.present()[stage] == recorded, (
        f"stage {stage!r} has changed: raise its number in"
        " src/safegrid/core/stages.py, or confirm that results do not change: make"
        " confirm"
    )


def test_an_engines_code_belongs_to_the_stages_that_ask_it(confirm):
    asking = {s for s in VERSIONS if "safegrid.engine.main" in confirm.modules(s)}
    judging = {"judge", "text_head", "judge_stress", "validate_judge", "calibrate"}
    assert asking == {"generate", "capability", *judging}


def test_the_libraries_that_compute_a_stage_are_held(confirm):
    held = {stage: {*entry["libraries"]} for stage, entry in confirm.present().items()}
    assert {"torch", "transformers", "trl", "tokenizers"} <= held["train"]
    assert {"torch", "transformers", "lm_eval"} <= held["capability"]
    assert "torch" not in held["prepare"]


def test_raising_a_number_is_no_edit_of_the_other_stages():
    module = "safegrid.train.run"
    assert closure.NUMBERS in closure.closure(module)
    assert closure.code_hash(module) != closure.code_hash(module, closure.NUMBERS)


def test_an_edit_of_a_table_beside_a_module_is_an_edit_of_its_code(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(closure, "ROOT", tmp_path)
    (tmp_path / "miniworld").mkdir()
    (tmp_path / "miniworld/made_up_words.py").touch()
    hashes = {closure.code_hash("miniworld.made_up_words")}
    for text in ("a", "b"):
        (tmp_path / "miniworld/made_up_words.yaml").write_text(text)
        hashes.add(closure.code_hash("miniworld.made_up_words"))
    assert len(hashes) == 3
